// The function app: its own Flex Consumption plan, its package in the storage account.
param name string
param planName string
param location string
param tags { *: string }
param identityName string

@description('The identity with which the platform stores and fetches the package.')
param deployIdentityName string

param storageName string
param containerName string

@description('none, or origins separated by commas.')
@minLength(1)
param allowedOrigins string

param pythonVersion string
param instanceMemoryMB int
param maximumInstanceCount int
param alwaysReadyInstances int
param requestsPerInstance int

@description('The virtual network with the subnet of the app; empty: none.')
param networkName string

var origins = allowedOrigins == 'none' ? [] : split(replace(allowedOrigins, ' ', ''), ',')

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource deployIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: deployIdentityName
}

resource storage 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: storageName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  // checkov:skip=CKV_AZURE_225:zone redundancy costs more and is not in every region
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  // checkov:skip=CKV_AZURE_17:browsers have no client certificates
  // checkov:skip=CKV_AZURE_212:Flex Consumption scales by itself; alwaysReadyInstances sets a minimum
  // checkov:skip=CKV_AZURE_213:Flex Consumption replaces unhealthy instances by itself
  // checkov:skip=CKV_AZURE_222:clients and Web PubSub call it from the internet
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'usher' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
      '${deployIdentity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identity.id
    virtualNetworkSubnetId: empty(networkName)
      ? null
      : resourceId('Microsoft.Network/virtualNetworks/subnets', networkName, 'app')
    siteConfig: {
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      cors: {
        allowedOrigins: origins
        supportCredentials: false
      }
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${containerName}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: deployIdentity.id
          }
        }
      }
      runtime: {
        name: 'python'
        version: pythonVersion
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: (alwaysReadyInstances == 0)
          ? []
          : [
              {
                name: 'http' // Web PubSub's events scale with HTTP (azure-functions-host, PR 11489)
                instanceCount: alwaysReadyInstances
              }
            ]
        triggers: {
          http: {
            perInstanceConcurrency: requestsPerInstance
          }
        }
      }
    }
  }
}

// Deployments authenticate with an identity, never with a publishing password.
resource scmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

resource ftpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

output url string = 'https://${app.properties.defaultHostName}'
output origins string[] = origins
