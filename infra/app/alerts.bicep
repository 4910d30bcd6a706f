// Three alerts. The first two query the app's log records, because Flex Consumption has no metric for
// failed functions.
param location string
param tags object
param insightsId string
param webPubSubId string
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
    threshold: 0
  }
  {
    name: 'usher-webhook-refusals'
    description: 'Usher refuses events: malformed or forged, without a group, or because its settings are invalid.'
    query: loadTextContent('../queries/webhook-refusals.kql')
    threshold: 10
  }
]

resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for alert in logAlerts: {
  name: alert.name
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: alert.name
    description: alert.description
    severity: 2
    enabled: true
    scopes: [insightsId]
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
}]

resource quota 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'usher-connection-quota'
  location: 'global'
  tags: tags
  properties: {
    description: 'More than 80% of the connections that the units allow. At 100% Azure refuses clients.'
    severity: 2
    enabled: true
    scopes: [webPubSubId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'quota'
          metricNamespace: 'Microsoft.SignalRService/WebPubSub'
          metricName: 'ConnectionQuotaUtilization'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: 80
        }
      ]
    }
    actions: [for id in actions: {
      actionGroupId: id
    }]
  }
}
