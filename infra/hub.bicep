// The hub and its event handler. connect-hub deploys it after the code, because the Functions host
// creates the key in the handler's URL when it first loads the app. Azure Resource Manager reads the
// key here, so that it never reaches a script or a log.
param functionAppName string
param webPubSubName string
param hubName string

@description('The app\'s USHER_SINGLE_GROUP. If false, the hub sends connect events, too.')
param singleGroup bool

@description('The key in the handler\'s URL. master: while the system key is renewed, because the webhook accepts no other key.')
@allowed([
  'system'
  'master'
])
param eventKey string = 'system'

@description('Seconds between the pings by which Web PubSub notices a lost connection.')
@minValue(1)
@maxValue(120)
param keepAliveSeconds int = 20

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionAppName
}

resource service 'Microsoft.SignalRService/webPubSub@2024-03-01' existing = {
  name: webPubSubName
}

var webhook = '/runtime/webhooks/webpubsub'
var hostKeys = listKeys('${app.id}/host/default', '2025-03-01')
var key = (eventKey == 'master') ? hostKeys.masterKey : hostKeys.systemKeys.webpubsub_extension

// If App Service Authentication makes no exception for the webhook, events need a token.
var authentication = reference('${app.id}/config/authsettingsV2', '2025-03-01')
var excluded = authentication.globalValidation.excludedPaths
var byIdentity = authentication.platform.enabled && !contains(excluded, webhook)
var registration = authentication.identityProviders.azureActiveDirectory.registration

var notices = [
  'connected'
  'disconnected'
]

resource hub 'Microsoft.SignalRService/webPubSub/hubs@2024-03-01' = {
  parent: service
  name: hubName
  properties: {
    // Messages of clients without a user id have no sender, like those of the app.
    anonymousConnectPolicy: 'deny'
    webSocketKeepAliveIntervalInSeconds: keepAliveSeconds
    eventHandlers: [
      {
        urlTemplate: 'https://${app.properties.defaultHostName}${webhook}?code=${key}'
        systemEvents: singleGroup ? notices : concat(['connect'], notices)
        auth: byIdentity
          ? {
              type: 'ManagedIdentity'
              managedIdentity: {
                resource: registration.clientId // becomes the audience of the token
              }
            }
          : {
              type: 'None'
            }
      }
    ]
  }
}
