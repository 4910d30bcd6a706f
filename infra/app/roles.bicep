// Roles of the app's identity and of the deployment's identity, each scoped to one resource.
param principalId string
param deployPrincipalId string
param storageName string
param containerName string
param tableName string
param insightsName string
param webPubSubName string

var storageBlobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var storageTableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'
var webPubSubServiceOwner = '12cf5a90-567b-43ae-8102-96cf46c7d9b4'

resource storage 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: storageName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' existing = {
  parent: storage
  name: 'default'
}

resource package 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' existing = {
  parent: blobs
  name: containerName
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2025-08-01' existing = {
  parent: storage
  name: 'default'
}

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-08-01' existing = {
  parent: tables
  name: tableName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource webPubSub 'Microsoft.SignalRService/webPubSub@2024-03-01' existing = {
  name: webPubSubName
}

// All data actions of Storage Blob Data Owner that change something.
var writes = [
  'write'
  'add/action'
  'delete'
  'deleteBlobVersion/action'
  'permanentDelete/action'
  'move/action'
  'manageOwnership/action'
  'modifyPermissions/action'
  'tags/write'
  'runAsSuperUser/action'
  'immutableStorage/runAsSuperUser/action'
]
var containers = 'Microsoft.Storage/storageAccounts/blobServices/containers'
var writesNothing = [for action in writes: '!(ActionMatches{\'${containers}/blobs/${action}\'})']
var notWriting = join(writesNothing, ' AND ')
var isOtherContainer = '@Resource[${containers}:name] StringNotEquals \'${containerName}\''
var onlyReadsPackage = '((${notWriting}) OR (${isOtherContainer}))'

// For the host's own data. The app cannot replace its own code.
resource ownsBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: storage
  name: guid(storage.id, principalId, storageBlobDataOwner)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataOwner)
    condition: onlyReadsPackage
    conditionVersion: '2.0'
  }
}

// The platform stores and fetches the package with this identity.
resource ownsPackage 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: package
  name: guid(package.id, deployPrincipalId, storageBlobDataOwner)
  properties: {
    principalId: deployPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataOwner)
  }
}

// For the bans, in this table alone.
resource keepsBans 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: table
  name: guid(table.id, principalId, storageTableDataContributor)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageTableDataContributor)
  }
}

resource publishesTelemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, principalId, monitoringMetricsPublisher)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
  }
}

// The narrowest built-in role that may generate tokens, add connections and send.
resource servesClients 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: webPubSub
  name: guid(webPubSub.id, principalId, webPubSubServiceOwner)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', webPubSubServiceOwner)
  }
}
