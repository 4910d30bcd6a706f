// Everything that Usher needs in Azure: a resource group, and a module for each subject.
// The hub and its event handler are not here, because their key is made by the running code: see
// hub.bicep, which connect-hub deploys afterwards.
targetScope = 'subscription'

// Who, where, and for whom: these have no defaults, because nobody else can choose them.
@description('Names the resource group, rg-NAME; a hash of it names what is inside.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('A region with Flex Consumption: az functionapp list-flexconsumption-locations.')
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('Pages that may call negotiate and open a connection, such as https://www.example.com,https://example.com; none where no browser is a client.')
@minLength(4)
param allowedOrigins string

@description('How callers are told: USHER_AUTH in the README.')
@allowed([
  'easyauth'
  'oidc'
  'key'
  'anonymous'
])
param authMode string

@description('For oidc: the provider, as its tokens name it.')
param oidcIssuer string = ''

@description('For oidc: whom the tokens must be for.')
param oidcAudience string = ''

@description('For easyauth: the client id of an app registration in this tenant.')
param easyAuthClientId string = ''

// What the app does.
@description('The hub, which connect-hub makes.')
param hubName string = 'chat'

@description('true: one group for everybody, and no connect event, so that a handshake never waits for the app.')
param singleGroup bool = false

@description('More settings of the app by name, such as { USHER_TOKEN_MINUTES: \'15\' }.')
param moreSettings object = {}

// How much of it there is.
@description('Free_F1 has 20 connections and no SLA.')
@allowed([
  'Free_F1'
  'Standard_S1'
  'Premium_P1'
])
param webPubSubSku string = 'Free_F1'

@description('1,000 connections each; Free_F1 has exactly one.')
@allowed([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
param webPubSubUnits int = 1

@description('Instances of the app that never sleep. 0 costs nothing; 1 spares clients the cold start.')
@minValue(0)
param alwaysReadyInstances int = 0

@description('Requests at a time for one instance. The app mostly waits for Web PubSub.')
@minValue(1)
param requestsPerInstance int = 16

@description('Where alerts go. Without one they are seen in Azure Monitor only.')
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
    allowedOrigins: contains(allowedOrigins, '*') ? '' : allowedOrigins // refused: * is no choice
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
    settings // two configurations of one app are not written at the same time
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

// azd keeps these in its environment, where connect-hub finds them.
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_NAME string = app.outputs.name
output USHER_URL string = app.outputs.url
