// All of Usher's resources in Azure: a resource group, and a module for each subject.
// The hub and its event handler are in hub.bicep, which connect-hub deploys afterwards: they need a
// key that exists only once the code runs.
targetScope = 'subscription'

// Name, region, origins and authentication have no defaults, because they depend on the deployment.
@description('Name of the environment. The resource group is rg-NAME; resources are named by a hash of it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('A region with Flex Consumption. If az functionapp list-flexconsumption-locations names one that is missing here, add it.')
@metadata({
  azd: {
    type: 'location'
  }
})
@allowed([
  'australiaeast'
  'australiasoutheast'
  'brazilsouth'
  'canadacentral'
  'centralindia'
  'centralus'
  'eastasia'
  'eastus'
  'eastus2'
  'francecentral'
  'germanywestcentral'
  'italynorth'
  'japaneast'
  'koreacentral'
  'northcentralus'
  'northeurope'
  'norwayeast'
  'southafricanorth'
  'southcentralus'
  'southeastasia'
  'southindia'
  'spaincentral'
  'swedencentral'
  'uaenorth'
  'uksouth'
  'ukwest'
  'westcentralus'
  'westeurope'
  'westus'
  'westus2'
  'westus3'
])
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

@description('For easyauth: true sends events with a token of Web PubSub\'s identity, in addition to the system key.')
param eventsWithIdentity bool = false

@description('A Key Vault reference to a key that seals the state of connections: the setting USHER_STATE_KEY.')
@secure()
param stateKey string = ''

// What the app does.
@description('Name of the hub, which connect-hub creates.')
param hubName string = 'chat'

@description('true: all clients share one group, and no connect event is sent, so that handshakes never wait for the app.')
param singleGroup bool = false

@description('More settings of the app by name, such as { USHER_TOKEN_MINUTES: \'15\' }.')
param moreSettings { *: string } = {}

@description('Seconds between the pings by which Web PubSub notices a lost connection. connect-hub sets it.')
@minValue(1)
@maxValue(120)
param keepAliveSeconds int = 20

// Capacity and alerts.
@description('Tier of Web PubSub. Free_F1 has 20 connections and no SLA.')
@allowed([
  'Free_F1'
  'Standard_S1'
  'Premium_P1'
  'Premium_P2'
])
param webPubSubSku string = 'Free_F1'

@description('Units of Web PubSub, 1,000 connections each; Free_F1 has exactly one unit, Premium_P2 100 or more.')
@allowed([
  1
  2
  3
  4
  5
  6
  7
  8
  9
  10
  20
  30
  40
  50
  60
  70
  80
  90
  100
  200
  300
  400
  500
  600
  700
  800
  900
  1000
])
param webPubSubUnits int = 1

@description('Connections that Web PubSub allows each user; 0 is no limit. Premium only.')
@minValue(0)
param connectionsPerUser int = 0

@description('Version of Python that runs the app.')
@allowed([
  '3.13'
  '3.14'
])
param pythonVersion string = '3.13'

@description('Memory of an instance of the app, in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 512

@description('Instances of the app at most.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances of the app that always run. 0 costs nothing; 1 avoids most cold starts.')
@minValue(0)
param alwaysReadyInstances int = 0

@description('Concurrent requests per instance. The app mostly waits for Web PubSub.')
@minValue(1)
param requestsPerInstance int = 16

@description('Address that alerts are mailed to. Without one they appear only in Azure Monitor.')
param alertEmail string = ''

@description('Log records that are stored a day at most, in GB. -1 is no limit.')
@minValue(-1)
param dailyLogGigabytes int = 1

@description('true: a virtual network with private endpoints. Storage has no public access; from Standard_S1 on, Web PubSub takes only clients.')
param vnetEnabled bool = false

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }

// Names are variables, so that what-if knows them before anything exists.
var identityName = 'id-${token}'
var deployIdentityName = 'deploy-${token}' // not id-, by which the documentation finds the app's identity
var storageName = 'st${token}'
var containerName = 'app-package'
var tableName = 'usher' // the app knows it by this name
var workspaceName = 'log-${token}'
var insightsName = 'appi-${token}'
var webPubSubName = 'wps-${token}'
var networkName = 'vnet-${token}'
var planName = 'plan-${token}'
var appName = 'func-usher-${token}'

var noClient = '00000000-0000-0000-0000-000000000000' // App Service Authentication is off then

// What the parameters' own rules cannot check. The group needs checkedLocation, so that a wrong choice
// is refused before anything is created. Each text names the variable of azd, and the parameter.
var isEasyAuth = authMode == 'easyauth'
var lacksProvider = authMode == 'oidc' && (empty(oidcIssuer) || empty(oidcAudience))
var lacksClientId = isEasyAuth && length(easyAuthClientId) < 36
var lacksCheck = eventsWithIdentity && !isEasyAuth // nothing would check the events' tokens
var starText = 'USHER_ALLOWED_ORIGINS (allowedOrigins) is none, or a list of origins without *. '
var providerText = 'oidc needs USHER_OIDC_ISSUER (oidcIssuer) and USHER_OIDC_AUDIENCE (oidcAudience). '
var clientIdText = 'easyauth needs USHER_EASYAUTH_CLIENT_ID (easyAuthClientId), a client id. '
var checkText = 'USHER_EVENTS_WITH_IDENTITY (eventsWithIdentity) needs easyauth. '
var originProblem = contains(allowedOrigins, '*') ? starText : ''
var callerProblem = lacksProvider ? providerText : (lacksClientId ? clientIdText : '')
var problem = '${originProblem}${callerProblem}${lacksCheck ? checkText : ''}'
var checkedLocation = empty(problem) ? location : fail(problem)

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: checkedLocation
  tags: tags
}

module identity 'app/identity.bicep' = {
  scope: group
  params: {
    name: identityName
    location: location
    tags: tags
  }
}

module deployIdentity 'app/identity.bicep' = {
  scope: group
  params: {
    name: deployIdentityName
    location: location
    tags: tags
  }
}

module storage 'app/storage.bicep' = {
  scope: group
  params: {
    name: storageName
    containerName: containerName
    tableName: tableName
    location: location
    tags: tags
    isolated: vnetEnabled
  }
}

module monitoring 'app/monitoring.bicep' = {
  scope: group
  params: {
    workspaceName: workspaceName
    insightsName: insightsName
    location: location
    tags: tags
    dailyLogGigabytes: dailyLogGigabytes
  }
}

module webPubSub 'app/webpubsub.bicep' = {
  scope: group
  params: {
    name: webPubSubName
    location: location
    tags: tags
    sku: webPubSubSku
    units: webPubSubUnits
    workspaceId: monitoring.outputs.workspaceId
    eventsWithIdentity: eventsWithIdentity
    isolated: vnetEnabled && webPubSubSku != 'Free_F1'
    connectionsPerUser: connectionsPerUser
  }
}

module network 'app/network.bicep' = if (vnetEnabled) {
  scope: group
  params: {
    name: networkName
    location: location
    tags: tags
  }
}

module storageEndpoint 'app/endpoint.bicep' = if (vnetEnabled) {
  scope: group
  params: {
    networkName: networkName
    location: location
    tags: tags
    targetId: storage.outputs.id
    kind: 'blob'
    zoneName: 'privatelink.blob.${environment().suffixes.storage}'
  }
  dependsOn: [
    network
  ]
}

module tableEndpoint 'app/endpoint.bicep' = if (vnetEnabled) {
  scope: group
  params: {
    networkName: networkName
    location: location
    tags: tags
    targetId: storage.outputs.id
    kind: 'table'
    zoneName: 'privatelink.table.${environment().suffixes.storage}'
  }
  dependsOn: [
    network
  ]
}

// Free_F1 cannot have a private endpoint.
module serviceEndpoint 'app/endpoint.bicep' = if (vnetEnabled && webPubSubSku != 'Free_F1') {
  scope: group
  params: {
    networkName: networkName
    location: location
    tags: tags
    targetId: webPubSub.outputs.id
    kind: 'webpubsub'
    zoneName: 'privatelink.webpubsub.azure.com'
  }
  dependsOn: [
    network
  ]
}

module roles 'app/roles.bicep' = {
  scope: group
  params: {
    // An assignment's name contains the principal id: a new identity with the old name needs a new assignment.
    #disable-next-line what-if-short-circuiting
    principalId: identity.outputs.principalId
    #disable-next-line what-if-short-circuiting
    deployPrincipalId: deployIdentity.outputs.principalId
    storageName: storageName
    containerName: containerName
    tableName: tableName
    insightsName: insightsName
    webPubSubName: webPubSubName
  }
  dependsOn: [
    storage
    monitoring
    webPubSub
  ]
}

module app 'app/function.bicep' = {
  scope: group
  params: {
    name: appName
    planName: planName
    location: location
    tags: tags
    identityName: identityName
    deployIdentityName: deployIdentityName
    storageName: storageName
    containerName: containerName
    allowedOrigins: contains(allowedOrigins, '*') ? '' : allowedOrigins // an empty text is refused: * is not allowed
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    requestsPerInstance: requestsPerInstance
    networkName: vnetEnabled ? networkName : ''
  }
  dependsOn: [
    roles // so that the first start of the host can read its storage; the roles wait for each resource named above
    storageEndpoint
    tableEndpoint
    serviceEndpoint
  ]
}

module settings 'app/settings.bicep' = {
  scope: group
  params: {
    functionAppName: appName
    identityName: identityName
    storageName: storageName
    insightsName: insightsName
    webPubSubHost: webPubSub.outputs.host
    hubName: hubName
    singleGroup: singleGroup
    authMode: authMode
    oidcIssuer: (authMode == 'oidc') ? oidcIssuer : 'none'
    oidcAudience: (authMode == 'oidc') ? oidcAudience : 'none'
    stateKey: stateKey
    origins: app.outputs.origins
    moreSettings: moreSettings
    keepAliveSeconds: keepAliveSeconds
  }
}

module authentication 'app/authentication.bicep' = {
  scope: group
  params: {
    functionAppName: appName
    enabled: authMode == 'easyauth'
    // An empty client id is refused: without App Service Authentication nothing would check the events' tokens.
    clientId: (authMode == 'easyauth') ? easyAuthClientId : (eventsWithIdentity ? '' : noClient)
    eventsWithIdentity: eventsWithIdentity
  }
  dependsOn: [
    settings // two configurations of an app must not be written at the same time
  ]
}

module alerts 'app/alerts.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
    workspaceId: monitoring.outputs.workspaceId
    webPubSubId: webPubSub.outputs.id
    isFree: webPubSubSku == 'Free_F1'
    email: alertEmail
  }
}

// Free_F1 is for trying; the runs of the test would cost more than the rest.
module availability 'app/availability.bicep' = if (webPubSubSku != 'Free_F1') {
  scope: group
  params: {
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
    url: app.outputs.url
    actions: alerts.outputs.actions
  }
}

module workbook 'app/workbook.bicep' = {
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
output AZURE_FUNCTION_NAME string = appName
output USHER_URL string = app.outputs.url
