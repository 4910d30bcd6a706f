"""Resource types, versions, properties, roles and functions that our Bicep files may use.

They were looked up in bicep-types-az and in the management SDKs (azure-mgmt-web 11.0.0,
-webpubsub, -monitor, -storage), because the tests cannot ask Azure. A name that is missing here may
exist: look it up there, then add it.
"""

# Types with versions, and the properties that may be set.
PROPERTIES = {
    "Microsoft.Authorization/roleAssignments@2022-04-01": """
        properties.principalId properties.principalType properties.roleDefinitionId
        properties.condition properties.conditionVersion""",
    "Microsoft.Insights/actionGroups@2023-01-01": """
        properties.groupShortName properties.enabled properties.emailReceivers
        properties.emailReceivers.name properties.emailReceivers.emailAddress
        properties.emailReceivers.useCommonAlertSchema""",
    "Microsoft.Insights/components@2020-02-02": """
        kind properties.Application_Type properties.DisableLocalAuth
        properties.WorkspaceResourceId""",
    "Microsoft.Insights/diagnosticSettings@2021-05-01-preview": """
        properties.workspaceId properties.logs properties.logs.category properties.logs.enabled
        properties.metrics properties.metrics.category properties.metrics.enabled""",
    "Microsoft.Insights/metricAlerts@2026-01-01": """
        properties.description properties.severity properties.enabled properties.scopes
        properties.evaluationFrequency properties.windowSize properties.autoMitigate
        properties.criteria properties.criteria.odata.type properties.criteria.allOf
        properties.criteria.allOf.criterionType properties.criteria.allOf.name
        properties.criteria.allOf.metricNamespace properties.criteria.allOf.metricName
        properties.criteria.allOf.timeAggregation properties.criteria.allOf.operator
        properties.criteria.allOf.threshold properties.criteria.allOf.dimensions
        properties.criteria.webTestId properties.criteria.componentId
        properties.criteria.failedLocationCount
        properties.actions properties.actions.actionGroupId""",
    "Microsoft.Insights/scheduledQueryRules@2026-03-01": """
        kind properties.displayName properties.description properties.severity properties.enabled
        properties.scopes properties.evaluationFrequency properties.windowSize
        properties.skipQueryValidation properties.autoMitigate properties.criteria
        properties.criteria.allOf properties.criteria.allOf.query
        properties.criteria.allOf.metricMeasureColumn properties.criteria.allOf.timeAggregation
        properties.criteria.allOf.operator properties.criteria.allOf.threshold
        properties.criteria.allOf.failingPeriods
        properties.criteria.allOf.failingPeriods.numberOfEvaluationPeriods
        properties.criteria.allOf.failingPeriods.minFailingPeriodsToAlert
        properties.actions properties.actions.actionGroups""",
    "Microsoft.Insights/webtests@2022-06-15": """
        kind properties.SyntheticMonitorId properties.Name properties.Kind properties.Enabled
        properties.Frequency properties.Timeout properties.RetryEnabled properties.Locations
        properties.Locations.Id properties.Request properties.Request.RequestUrl
        properties.Request.HttpVerb properties.ValidationRules
        properties.ValidationRules.ExpectedHttpStatusCode""",
    "Microsoft.Insights/workbooks@2023-06-01": """
        kind properties.displayName properties.category properties.sourceId
        properties.serializedData""",
    "Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30": "",
    "Microsoft.Network/privateDnsZones@2024-06-01": "",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01": """
        properties.registrationEnabled properties.virtualNetwork properties.virtualNetwork.id""",
    "Microsoft.Network/privateEndpoints@2025-05-01": """
        properties.subnet properties.subnet.id properties.privateLinkServiceConnections
        properties.privateLinkServiceConnections.name
        properties.privateLinkServiceConnections.properties
        properties.privateLinkServiceConnections.properties.privateLinkServiceId
        properties.privateLinkServiceConnections.properties.groupIds""",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01": """
        properties.privateDnsZoneConfigs properties.privateDnsZoneConfigs.name
        properties.privateDnsZoneConfigs.properties
        properties.privateDnsZoneConfigs.properties.privateDnsZoneId""",
    "Microsoft.Network/virtualNetworks@2025-05-01": """
        properties.addressSpace properties.addressSpace.addressPrefixes properties.subnets
        properties.subnets.name properties.subnets.properties
        properties.subnets.properties.addressPrefix properties.subnets.properties.delegations
        properties.subnets.properties.delegations.name
        properties.subnets.properties.delegations.properties
        properties.subnets.properties.delegations.properties.serviceName""",
    "Microsoft.Network/virtualNetworks/subnets@2025-05-01": "",
    "Microsoft.OperationalInsights/workspaces@2025-07-01": """
        properties.retentionInDays properties.sku properties.sku.name
        properties.workspaceCapping properties.workspaceCapping.dailyQuotaGb""",
    "Microsoft.Resources/resourceGroups@2025-04-01": "",
    "Microsoft.SignalRService/webPubSub@2024-03-01": "",
    "Microsoft.SignalRService/webPubSub@2024-10-01-preview": """
        kind sku sku.name sku.capacity identity identity.type properties.networkACLs
        properties.networkACLs.defaultAction properties.networkACLs.publicNetwork
        properties.networkACLs.publicNetwork.allow properties.networkACLs.publicNetwork.deny
        properties.applicationFirewall properties.applicationFirewall.clientConnectionCountRules
        properties.applicationFirewall.clientConnectionCountRules.type
        properties.applicationFirewall.clientConnectionCountRules.maxCount
        properties.disableLocalAuth properties.disableAadAuth
        properties.liveTraceConfiguration properties.liveTraceConfiguration.enabled
        properties.resourceLogConfiguration properties.resourceLogConfiguration.categories
        properties.resourceLogConfiguration.categories.name
        properties.resourceLogConfiguration.categories.enabled""",
    "Microsoft.SignalRService/webPubSub/hubs@2024-03-01": """
        properties.anonymousConnectPolicy properties.webSocketKeepAliveIntervalInSeconds
        properties.eventHandlers
        properties.eventHandlers.urlTemplate properties.eventHandlers.systemEvents
        properties.eventHandlers.auth properties.eventHandlers.auth.type
        properties.eventHandlers.auth.managedIdentity
        properties.eventHandlers.auth.managedIdentity.resource""",
    "Microsoft.Storage/storageAccounts@2025-08-01": """
        kind sku sku.name properties.allowBlobPublicAccess properties.allowSharedKeyAccess
        properties.defaultToOAuthAuthentication properties.minimumTlsVersion
        properties.supportsHttpsTrafficOnly properties.publicNetworkAccess
        properties.networkAcls properties.networkAcls.defaultAction
        properties.networkAcls.bypass""",
    "Microsoft.Storage/storageAccounts/blobServices@2025-08-01": "",
    "Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01": "",
    "Microsoft.Storage/storageAccounts/tableServices@2025-08-01": "",
    "Microsoft.Storage/storageAccounts/tableServices/tables@2025-08-01": "",
    "Microsoft.Web/serverfarms@2025-03-01": "kind sku sku.name sku.tier properties.reserved",
    "Microsoft.Web/sites@2025-03-01": """
        kind identity identity.type identity.userAssignedIdentities
        identity.userAssignedIdentities.* properties.serverFarmId properties.httpsOnly
        properties.keyVaultReferenceIdentity properties.virtualNetworkSubnetId
        properties.siteConfig properties.siteConfig.minTlsVersion
        properties.siteConfig.ftpsState properties.siteConfig.http20Enabled
        properties.siteConfig.cors properties.siteConfig.cors.allowedOrigins
        properties.siteConfig.cors.supportCredentials properties.functionAppConfig
        properties.functionAppConfig.deployment properties.functionAppConfig.deployment.storage
        properties.functionAppConfig.deployment.storage.type
        properties.functionAppConfig.deployment.storage.value
        properties.functionAppConfig.deployment.storage.authentication
        properties.functionAppConfig.deployment.storage.authentication.type
        properties.functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId
        properties.functionAppConfig.runtime properties.functionAppConfig.runtime.name
        properties.functionAppConfig.runtime.version
        properties.functionAppConfig.scaleAndConcurrency
        properties.functionAppConfig.scaleAndConcurrency.instanceMemoryMB
        properties.functionAppConfig.scaleAndConcurrency.maximumInstanceCount
        properties.functionAppConfig.scaleAndConcurrency.alwaysReady
        properties.functionAppConfig.scaleAndConcurrency.alwaysReady.name
        properties.functionAppConfig.scaleAndConcurrency.alwaysReady.instanceCount
        properties.functionAppConfig.scaleAndConcurrency.triggers
        properties.functionAppConfig.scaleAndConcurrency.triggers.http
        properties.functionAppConfig.scaleAndConcurrency.triggers.http.perInstanceConcurrency""",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01": "properties.allow",
    # Properties of authsettingsV2. The other configuration, appsettings, takes any name.
    "Microsoft.Web/sites/config@2025-03-01": """
        properties.platform properties.platform.enabled properties.platform.runtimeVersion
        properties.globalValidation properties.globalValidation.requireAuthentication
        properties.globalValidation.unauthenticatedClientAction
        properties.globalValidation.redirectToProvider properties.globalValidation.excludedPaths
        properties.httpSettings properties.httpSettings.requireHttps properties.httpSettings.routes
        properties.httpSettings.routes.apiPrefix properties.httpSettings.forwardProxy
        properties.httpSettings.forwardProxy.convention properties.identityProviders
        properties.identityProviders.azureActiveDirectory
        properties.identityProviders.azureActiveDirectory.enabled
        properties.identityProviders.azureActiveDirectory.registration
        properties.identityProviders.azureActiveDirectory.registration.clientId
        properties.identityProviders.azureActiveDirectory.registration.openIdIssuer
        properties.identityProviders.azureActiveDirectory.validation
        properties.identityProviders.azureActiveDirectory.validation.allowedAudiences
        properties.login properties.login.tokenStore properties.login.tokenStore.enabled""",
}
COMMON = {"name", "location", "tags", "parent", "scope", "dependsOn", "depends_on", "properties"}
# Types without tags.
UNTAGGED = {
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Insights/diagnosticSettings",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    "Microsoft.SignalRService/webPubSub/hubs",
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.Storage/storageAccounts/tableServices",
    "Microsoft.Storage/storageAccounts/tableServices/tables",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Web/sites/config",
}
# Built-in roles (Azure documentation, "Azure built-in roles").
ROLES = {
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "webPubSubServiceOwner": "12cf5a90-567b-43ae-8102-96cf46c7d9b4",
}
# Functions of Bicep that may be called.
FUNCTIONS = {
    *("concat", "contains", "empty", "environment", "fail", "guid", "join", "length", "listKeys"),
    *("loadTextContent", "reference", "replace", "resourceGroup", "resourceId", "split"),
    *("string", "subscription", "subscriptionResourceId", "tenant", "toLower", "union"),
    *("uniqueString",),
}
# Settings that a Flex Consumption app must not have (Azure documentation, "Flex Consumption plan",
# deprecations; azure-functions-core-tools refuses WEBSITE_RUN_FROM_PACKAGE).
FORBIDDEN_SETTINGS = {
    *("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_RUN_FROM_PACKAGE"),
    *("WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE", "ENABLE_ORYX_BUILD"),
    *("SCM_DO_BUILD_DURING_DEPLOYMENT", "WEBSITE_TIME_ZONE", "TZ"),
}
