// The hub and its event handler, after the code: the key in the handler's URL is made by the
// Functions host when it first loads the app. It is read here, inside Azure Resource Manager, so
// that no script and no log ever has it. Deployed by connect-hub.
param functionAppName string
param webPubSubName string
param hubName string

@description('The app\'s USHER_SINGLE_GROUP: without it the app must be asked at each connect.')
param singleGroup bool

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: functionAppName
}

resource service 'Microsoft.SignalRService/webPubSub@2024-03-01' existing = {
  name: webPubSubName
}

var webhook = 'https://${app.properties.defaultHostName}/runtime/webhooks/webpubsub'
var hostKeys = listKeys('${app.id}/host/default', '2024-04-01')
var notices = [
  'connected'
  'disconnected'
]

resource hub 'Microsoft.SignalRService/webPubSub/hubs@2024-03-01' = {
  parent: service
  name: hubName
  properties: {
    anonymousConnectPolicy: 'deny'
    eventHandlers: [
      {
        urlTemplate: '${webhook}?code=${hostKeys.systemKeys.webpubsub_extension}'
        systemEvents: singleGroup ? notices : concat(['connect'], notices)
      }
    ]
  }
}
