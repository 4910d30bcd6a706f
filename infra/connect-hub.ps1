# Connect the hub to the app. Run it after the code is deployed; it can be repeated at any time.
#
#   infra/connect-hub.ps1 RESOURCE_GROUP FUNCTION_APP [system|master]
#
# The same steps as in connect-hub.sh, which explains them.
#Requires -Version 7.2
param(
  [string]$Group = $env:AZURE_RESOURCE_GROUP,
  [string]$App = $env:AZURE_FUNCTION_NAME,
  [string]$EventKey = 'system'
)

$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false
$Tries = 30
$Pause = 10

function Main {
  Test-Arguments
  Read-Settings
  Wait-Key
  Publish-Hub
  Test-Handler
}

function Test-Arguments {
  if (-not $Group -or -not $App) { Stop-Here 'usage: connect-hub.ps1 RESOURCE_GROUP FUNCTION_APP [system|master]' }
  Invoke-Azure account show --output none
  if ($LASTEXITCODE) { Stop-Here 'az is not logged in. Run: az login (azd has its own login).' }
}

function Read-Settings {
  $script:Hub = Get-Setting 'WebPubSubHub'
  $address = Get-Setting 'WebPubSubConnectionString__serviceUri'
  if (-not $Hub -or -not $address) { Stop-Here "$App lacks settings. Deploy main.bicep first." }
  $script:Service = ($address -replace '^https://', '').Split('.')[0]
  $keepAlive = Get-Setting 'USHER_KEEP_ALIVE_SECONDS'
  $script:KeepAlive = if ($keepAlive) { $keepAlive } else { '20' }
  $script:SingleGroup = if ((Get-Setting 'USHER_SINGLE_GROUP') -eq 'true') { 'true' } else { 'false' }
}

function Get-Setting([string]$Name) {
  Invoke-Azure functionapp config appsettings list --resource-group $Group --name $App `
    --query "[?name=='$Name'].value | [0]" --output tsv
  if ($LASTEXITCODE) { Stop-Here "the settings of $App could not be read." }
}

function Wait-Key {
  for ($try = 1; -not (Test-Key); $try++) {
    if ($try -ge $Tries) {
      Stop-Here ("$App has no key webpubsub_extension after $Tries tries. Does it have its functions " +
        "(az functionapp function list)? The last answer: $(Hide-Key $Answer)")
    }
    Write-Host "connect-hub: waiting for the key of ${App}: $try of $Tries"
    Start-Sleep -Seconds $Pause
  }
  Write-Host "connect-hub: the key of $App exists"
}

function Test-Key {
  $script:Answer = (Invoke-Azure functionapp keys list --resource-group $Group --name $App `
      --query "contains(keys(systemKeys), 'webpubsub_extension')" --output tsv 2>&1) -join ' '
  return ($LASTEXITCODE -eq 0) -and ($Answer -eq 'true')
}

function Publish-Hub {
  Write-Host "connect-hub: deploying hub $Hub of $Service"
  $output = (Invoke-Azure deployment group create --resource-group $Group --name usher-hub `
      --template-file "$PSScriptRoot/hub.bicep" --output none --parameters "functionAppName=$App" `
      "webPubSubName=$Service" "hubName=$Hub" "singleGroup=$SingleGroup" `
      "keepAliveSeconds=$KeepAlive" "eventKey=$EventKey" 2>&1) -join ' '
  if ($LASTEXITCODE) { Stop-Here "the hub was not deployed: $(Hide-Key $output)" }
}

function Test-Handler {
  $wanted = if ($SingleGroup -eq 'true') { 'connected disconnected' } else { 'connect connected disconnected' }
  $events = Invoke-Azure resource show --resource-group $Group --api-version 2024-03-01 `
    --namespace Microsoft.SignalRService --parent "webPubSub/$Service" --resource-type hubs `
    --name $Hub --query 'properties.eventHandlers[].systemEvents[]' --output tsv
  $found = ($events | Sort-Object) -join ' '
  if ($found -ne $wanted) { Stop-Here "hub $Hub should send '$wanted' but sends '$found'." }
  Write-Host "connect-hub: hub $Hub of $Service sends $found to $App"
}

function Invoke-Azure {
  $rest = @('--only-show-errors')
  if ($env:AZURE_SUBSCRIPTION_ID) { $rest += @('--subscription', $env:AZURE_SUBSCRIPTION_ID) }
  az @args @rest
}

function Hide-Key([string]$Text) {
  $Text -replace 'code=[^&"'' ]*', 'code=REDACTED'
}

function Stop-Here([string]$Text) {
  [Console]::Error.WriteLine("connect-hub: $Text")
  exit 1
}

Main
