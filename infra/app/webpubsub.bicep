// The Web PubSub service without access keys, and the logs and metrics that it sends to the workspace.
param name string
param location string
param tags object
param sku string
param units int
param workspaceId string

resource service 'Microsoft.SignalRService/webPubSub@2024-03-01' = {
  // checkov:skip=CKV_AZURE_176:it calls no other resource by identity; its events carry the system key
  name: name
  location: location
  tags: tags
  kind: 'WebPubSub'
  sku: {
    name: sku
    capacity: units
  }
  properties: {
    disableLocalAuth: true
    disableAadAuth: false
    liveTraceConfiguration: {
      enabled: 'false' // it counts as outbound traffic; the values are strings
    }
    resourceLogConfiguration: {
      categories: [
        {
          name: 'ConnectivityLogs'
          enabled: 'true'
        }
        {
          name: 'MessagingLogs' // a log entry for each message would cost more than the messages
          enabled: 'false'
        }
      ]
    }
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: service
  name: 'usher'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'ConnectivityLogs' // not HttpRequestLogs: they repeat URLs and headers
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

output id string = service.id
output name string = service.name
output host string = service.properties.hostName
