// The app's settings. None of them grants access to anything, except USHER_STATE_KEY if it is not a
// Key Vault reference.
//
// Left out on purpose, because the app has defaults; moreSettings can set them:
//   USHER_USER_CLAIM, USHER_DEFAULT_GROUP, USHER_TOKEN_MINUTES, USHER_JOIN_TEXT, USHER_LEAVE_TEXT,
//   USHER_POLICY_FILE, USHER_CALLER_LIMIT, USHER_ADDRESS_LIMIT, USHER_ANNOUNCEMENT_FORMAT,
//   USHER_DIGEST_ABOVE, USHER_DIGEST_SECONDS, USHER_DEMO, USHER_MOST_GROUPS,
//   USHER_BANS_WHEN_DOWN, USHER_CONNECT_LIMIT, USHER_MOST_CONNECTIONS, USHER_OIDC_CLIENTS, USHER_LEAVE_GRACE_SECONDS
// Left out on purpose, because there is no access key: WebPubSubConnectionString
param functionAppName string
param identityName string
param storageName string
param insightsName string
param webPubSubHost string
param hubName string
param singleGroup bool
param authMode string

@description('none unless authMode is oidc.')
@minLength(1)
param oidcIssuer string

@description('none unless authMode is oidc.')
@minLength(1)
param oidcAudience string

@description('A Key Vault reference to the key that seals the state of connections; empty: the setting is absent.')
@secure()
param stateKey string

param origins string[]
param moreSettings { *: string }
param keepAliveSeconds int

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionAppName
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource storage 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: storageName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

// For the Functions host.
var hostSettings = {
  AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.properties.clientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
}

// For the Web PubSub extension; Usher reads the same names.
var connectionSettings = {
  WebPubSubConnectionString__serviceUri: 'https://${webPubSubHost}'
  WebPubSubConnectionString__credential: 'managedidentity'
  WebPubSubConnectionString__clientId: identity.properties.clientId
  WebPubSubHub: hubName
}

// For Usher. The platform's CORS allows the same origins, see function.bicep.
var usherSettings = {
  USHER_AUTH: authMode
  USHER_EASYAUTH_PROVIDER: 'aad' // the only one in authentication.bicep
  USHER_OIDC_ISSUER: oidcIssuer
  USHER_OIDC_AUDIENCE: oidcAudience
  USHER_ALLOWED_ORIGINS: join(origins, ',')
  USHER_SINGLE_GROUP: singleGroup ? 'true' : 'false'
  USHER_BANS: 'table'
  // Not AzureWebJobsStorage__tableServiceUri: the host would write tables of its own there.
  USHER_BANS_TABLE_URI: storage.properties.primaryEndpoints.table
}

var stateSettings = {
  USHER_STATE_KEY: stateKey
}
var state = empty(stateKey) ? {} : stateSettings

// For connect-hub, which passes it to hub.bicep.
var hubProperties = {
  USHER_KEEP_ALIVE_SECONDS: string(keepAliveSeconds)
}

// The last object wins: moreSettings can add settings and cannot change the others.
resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  // checkov:skip=CKV_AZURE_13:authentication.bicep enables it if authMode is easyauth
  // checkov:skip=CKV_AZURE_63:about the web configuration, this is appsettings
  // checkov:skip=CKV_AZURE_65:about the web configuration, this is appsettings
  // checkov:skip=CKV_AZURE_66:about the web configuration, this is appsettings
  // checkov:skip=CKV_AZURE_80:Python has no .NET version
  // checkov:skip=CKV_AZURE_88:Flex Consumption has no Azure Files
  // checkov:skip=CKV_AZURE_222:clients and Web PubSub call it from the internet
  parent: app
  name: 'appsettings'
  properties: union(moreSettings, hostSettings, connectionSettings, usherSettings, state, hubProperties)
}
