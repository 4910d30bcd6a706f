// Alerts by log records, because Flex Consumption has no metric for failed functions, and by metrics
// of Web PubSub, because events that do not reach the app leave no record. One more is in
// availability.bicep.
param location string
param tags { *: string }
param insightsId string
param workspaceId string
param webPubSubId string
param isFree bool
param email string

var actions = empty(email) ? [] : [people.id]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'usher'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'usher'
    enabled: true
    emailReceivers: [
      {
        name: 'alerts'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

var logAlerts = [
  {
    name: 'usher-failed-joins'
    description: 'A connection was not added to its group, or its join was not announced.'
    query: loadTextContent('../queries/failed-joins.kql')
    scope: insightsId
    threshold: 0
  }
  {
    name: 'usher-webhook-refusals'
    description: 'Usher refuses events: malformed or forged, without a group, or because its settings are invalid.'
    query: loadTextContent('../queries/webhook-refusals.kql')
    scope: insightsId
    threshold: 10
  }
  {
    name: 'usher-log-cap'
    description: 'The workspace has reached its daily cap. Until the next day no record arrives, and no other log alert fires.'
    query: loadTextContent('../queries/log-cap.kql')
    scope: workspaceId
    threshold: 0
  }
]

resource rules 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for alert in logAlerts: {
    name: alert.name
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: alert.name
      description: alert.description
      severity: 2
      enabled: true
      scopes: [alert.scope]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      skipQueryValidation: true // the tables do not exist before the first record
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: alert.query
            metricMeasureColumn: 'events'
            timeAggregation: 'Total'
            operator: 'GreaterThan'
            threshold: alert.threshold
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: actions
      }
    }
  }
]

var serviceAlerts = [
  {
    name: 'usher-connection-quota'
    description: 'More than 80% of the connections that the units allow. At 100% Azure refuses clients.'
    metric: 'ConnectionQuotaUtilization'
    aggregation: 'Maximum'
    threshold: 80
    dimensions: []
    frequency: 'PT5M'
    window: 'PT15M'
  }
  {
    name: 'usher-lost-events'
    description: 'Web PubSub closed connections because the app did not take their events: the system key changed, or a function fails.'
    metric: 'ConnectionCloseCount'
    aggregation: 'Total'
    threshold: 5
    dimensions: [
      {
        name: 'ConnectionCloseCategory'
        operator: 'Include'
        values: ['SendEventFailed', 'EventHandlerNotFound']
      }
    ]
    frequency: 'PT5M'
    window: 'PT15M'
  }
  {
    name: 'usher-server-load'
    description: 'Web PubSub is busy to more than 80%. More units make messages faster.'
    metric: 'ServerLoad'
    aggregation: 'Average'
    threshold: 80
    dimensions: []
    frequency: 'PT5M'
    window: 'PT15M'
  }
]

// There is no metric that counts messages: 80% of 20,000 messages a day, of 2 KB each.
var freeAlerts = [
  {
    name: 'usher-message-quota'
    description: 'More than 80% of the daily messages of Free_F1. At 100% Azure delivers no more until the next day.'
    metric: 'OutboundTraffic'
    aggregation: 'Total'
    threshold: 32000000
    dimensions: []
    frequency: 'PT1H'
    window: 'P1D'
  }
]

var metricRules = isFree ? concat(serviceAlerts, freeAlerts) : serviceAlerts

resource metrics 'Microsoft.Insights/metricAlerts@2026-01-01' = [
  for alert in metricRules: {
    name: alert.name
    location: 'global'
    tags: tags
    properties: {
      description: alert.description
      severity: 2
      enabled: true
      scopes: [webPubSubId]
      evaluationFrequency: alert.frequency
      windowSize: alert.window
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: 'service'
            metricNamespace: 'Microsoft.SignalRService/WebPubSub'
            metricName: alert.metric
            dimensions: alert.dimensions
            timeAggregation: alert.aggregation
            operator: 'GreaterThan'
            threshold: alert.threshold
          }
        ]
      }
      actions: [
        for id in actions: {
          actionGroupId: id
        }
      ]
    }
  }
]

output actions string[] = actions
