// The Web PubSub service without access keys, and the logs and metrics that it sends to the workspace.
param name string
param location string
param tags { *: string }
param sku string
param units int
param workspaceId string

@description('true: it sends its events with a token of its identity, see hub.bicep.')
param eventsWithIdentity bool

@description('true: only clients may come from outside of the virtual network.')
param isolated bool

@description('Connections that the application firewall allows each user. 0: no rule.')
param connectionsPerUser int

// An older preview, because the stable versions lack applicationFirewall, and newer previews promise no more.
#disable-next-line use-recent-api-versions
resource service 'Microsoft.SignalRService/webPubSub@2024-10-01-preview' = {
  // checkov:skip=CKV_AZURE_176:it has an identity if its events need one, see eventsWithIdentity
  name: name
  location: location
  tags: tags
  kind: 'WebPubSub'
  sku: {
    name: sku
    capacity: units
  }
  identity: {
    type: eventsWithIdentity ? 'SystemAssigned' : 'None'
  }
  properties: {
    networkACLs: isolated
      ? {
          defaultAction: 'Allow' // for the private endpoint, whose name the service invents
          publicNetwork: {
            allow: ['ClientConnection']
            deny: ['ServerConnection', 'RESTAPI', 'Trace']
          }
        }
      : null
    applicationFirewall: (connectionsPerUser == 0)
      ? null
      : {
          clientConnectionCountRules: [
            {
              type: 'ThrottleByUserIdRule'
              maxCount: connectionsPerUser
            }
          ]
        }
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

// A preview, because the newest stable version is from 2016.
#disable-next-line use-recent-api-versions
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
output host string = service.properties.hostName
