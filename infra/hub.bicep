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

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: functionAppName
}

resource service 'Microsoft.SignalRService/webPubSub@2024-03-01' existing = {
  name: webPubSubName
}

var webhook = 'https://${app.properties.defaultHostName}/runtime/webhooks/webpubsub'
var hostKeys = listKeys('${app.id}/host/default', '2024-04-01')
var key = (eventKey == 'master') ? hostKeys.masterKey : hostKeys.systemKeys.webpubsub_extension
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
        urlTemplate: '${webhook}?code=${key}'
        systemEvents: singleGroup ? notices : concat(['connect'], notices)
      }
    ]
  }
}
