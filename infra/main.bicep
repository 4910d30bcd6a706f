// All of Usher's resources in Azure: a resource group, and a module for each subject.
// The hub and its event handler are in hub.bicep, which connect-hub deploys afterwards: they need a
// key that exists only once the code runs.
targetScope = 'subscription'

// Name, region, origins and authentication have no defaults, because they depend on the deployment.
@description('Name of the environment. The resource group is rg-NAME; resources are named by a hash of it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('A region with Flex Consumption; az functionapp list-flexconsumption-locations lists them.')
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('Origins of pages that may call negotiate and connect, such as https://www.example.com,https://example.com; none if no browser is a client.')
@minLength(4)
param allowedOrigins string

@description('How callers are authenticated: the setting USHER_AUTH.')
@allowed([
  'easyauth'
  'oidc'
  'key'
  'anonymous'
])
param authMode string

@description('For oidc: the issuer, exactly as in the provider\'s tokens.')
param oidcIssuer string = ''

@description('For oidc: the audience that tokens must have.')
param oidcAudience string = ''

@description('For easyauth: the client id of an app registration in this tenant.')
param easyAuthClientId string = ''

// What the app does.
@description('Name of the hub, which connect-hub creates.')
param hubName string = 'chat'

@description('true: all clients share one group, and no connect event is sent, so that handshakes never wait for the app.')
param singleGroup bool = false

@description('More settings of the app by name, such as { USHER_TOKEN_MINUTES: \'15\' }.')
param moreSettings object = {}

// Capacity and alerts.
@description('Tier of Web PubSub. Free_F1 has 20 connections and no SLA.')
@allowed([
  'Free_F1'
  'Standard_S1'
  'Premium_P1'
])
param webPubSubSku string = 'Free_F1'

@description('Units of Web PubSub, 1,000 connections each; Free_F1 has exactly one unit.')
@allowed([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
param webPubSubUnits int = 1

@description('Instances of the app that always run. 0 costs nothing; 1 avoids most cold starts.')
@minValue(0)
param alwaysReadyInstances int = 0

@description('Concurrent requests per instance. The app mostly waits for Web PubSub.')
@minValue(1)
param requestsPerInstance int = 16

@description('Address that alerts are mailed to. Without one they appear only in Azure Monitor.')
param alertEmail string = ''

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'app/identity.bicep' = {
  name: 'usher-identity'
  scope: group
  params: {
    name: 'id-${token}'
    location: location
    tags: tags
  }
}

module storage 'app/storage.bicep' = {
  name: 'usher-storage'
  scope: group
  params: {
    name: 'st${token}'
    location: location
    tags: tags
  }
}

module monitoring 'app/monitoring.bicep' = {
  name: 'usher-monitoring'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
  }
}

module webPubSub 'app/webpubsub.bicep' = {
  name: 'usher-webPubSub'
  scope: group
  params: {
    name: 'wps-${token}'
    location: location
    tags: tags
    sku: webPubSubSku
    units: webPubSubUnits
    workspaceId: monitoring.outputs.workspaceId
  }
}

module roles 'app/roles.bicep' = {
  name: 'usher-roles'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    storageName: storage.outputs.name
    insightsName: monitoring.outputs.insightsName
    webPubSubName: webPubSub.outputs.name
  }
}

module app 'app/function.bicep' = {
  name: 'usher-app'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    identityName: identity.outputs.name
    storageName: storage.outputs.name
    containerName: storage.outputs.containerName
    allowedOrigins: contains(allowedOrigins, '*') ? '' : allowedOrigins // an empty text is refused: * is not allowed
    alwaysReadyInstances: alwaysReadyInstances
    requestsPerInstance: requestsPerInstance
  }
  dependsOn: [
    roles // so that the first start of the host can read its storage
  ]
}

module settings 'app/settings.bicep' = {
  name: 'usher-settings'
  scope: group
  params: {
    functionAppName: app.outputs.name
    identityName: identity.outputs.name
    storageName: storage.outputs.name
    insightsName: monitoring.outputs.insightsName
    webPubSubHost: webPubSub.outputs.host
    hubName: hubName
    singleGroup: singleGroup
    authMode: authMode
    oidcIssuer: (authMode == 'oidc') ? oidcIssuer : 'none'
    oidcAudience: (authMode == 'oidc') ? oidcAudience : 'none'
    origins: app.outputs.origins
    moreSettings: moreSettings
  }
}

module authentication 'app/authentication.bicep' = if (authMode == 'easyauth') {
  name: 'usher-authentication'
  scope: group
  params: {
    functionAppName: app.outputs.name
    clientId: easyAuthClientId
  }
  dependsOn: [
    settings // two configurations of an app must not be written at the same time
  ]
}

module alerts 'app/alerts.bicep' = {
  name: 'usher-alerts'
  scope: group
  params: {
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
    webPubSubId: webPubSub.outputs.id
    email: alertEmail
  }
}

module workbook 'app/workbook.bicep' = {
  name: 'usher-workbook'
  scope: group
  params: {
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
    workspaceId: monitoring.outputs.workspaceId
  }
}

// azd stores the outputs in its environment, where connect-hub reads them.
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_NAME string = app.outputs.name
output USHER_URL string = app.outputs.url
