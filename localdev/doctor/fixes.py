"""The one fix of each fault, in words or as a command to copy. No fix contains a key."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from localdev.doctor.target import Target

ROLE = "Web PubSub Service Owner"
ADD_UNITS = "Add units to the Web PubSub resource."


@dataclass(frozen=True, slots=True)
class Fixes:
    """Fixes for one target. They contain the names that are known, and CAPITALS for others.

    `environment` names the settings that the environment sets, not local.settings.json.
    """

    target: Target
    hub: str
    service_host: str | None
    environment: frozenset[str] = frozenset()

    @property
    def app_name(self) -> str:
        """NAME of NAME.azurewebsites.net."""
        return (urlsplit(self.target.app).hostname or "").partition(".")[0]

    @property
    def group(self) -> str:
        """The resource group."""
        return self.target.resource_group or "RESOURCE-GROUP"

    @property
    def web_pubsub(self) -> str:
        """NAME of NAME.webpubsub.azure.com."""
        host = self.service_host or "WEB-PUBSUB"
        return self.target.web_pubsub or host.partition(".")[0]

    def use_system_key(self) -> str:
        """Use the system key that Web PubSub sends to the webhook."""
        return self._use_key("systemKeys", "webpubsub_extension")

    def use_function_key(self) -> str:
        """Use a function key of the app."""
        return self._use_key("functionKeys", "default")

    def _use_key(self, kind: str, name: str) -> str:
        if self.target.is_local:
            printed = "function" if kind == "functionKeys" else name
            return (
                f"Use the key `{printed}` that `python3 dev.py up --keys` printed at its start, or "
                "start it again."
            )
        return (
            "Use the key that this command prints: az functionapp keys list --resource-group "
            f"{self.group} --name {self.app_name} --query {kind}.{name} --output tsv"
        )

    def set_event_handler(self) -> str:
        """Give the hub the event handler that the app needs."""
        if self.target.is_local:
            key = ", with ?code= and the system key at its end" if self.target.system_key else ""
            return (
                "Restart `python3 dev.py up`, which sets the event handler itself. An emulator "
                f"that runs alone needs `--handler '{self.hub}={self.target.webhook}'`{key}."
            )
        # The script reads hub and service from the app's settings, and does not show the key.
        return f"infra/connect-hub.sh {self.group} {self.app_name} (on Windows connect-hub.ps1)"

    def deny_anonymous_clients(self) -> str:
        """Let the hub admit only clients with a token."""
        return (
            f"az webpubsub hub update --resource-group {self.group} --name {self.web_pubsub} "
            f"--hub-name {self.hub} --allow-anonymous false"
        )

    def assign_role(self) -> str:
        """Assign the role that lets the app's identity use Web PubSub."""
        return (
            f'az role assignment create --role "{ROLE}" --assignee-object-id PRINCIPAL-ID '
            "--assignee-principal-type ServicePrincipal --scope "
            f'"$(az webpubsub show --resource-group {self.group} --name {self.web_pubsub} '
            "--query id --output tsv)\" (PRINCIPAL-ID is the object ID of the app's identity; "
            "the role takes effect after some minutes)"
        )

    def set_connection(self) -> str:
        """Give the app the connection string of its service."""
        if self.target.is_local:
            return (
                "Set WebPubSubConnectionString to the connection string that `python3 dev.py up` "
                "prints, and restart the app."
            )
        value = (
            f'"$(az webpubsub key show --resource-group {self.group} --name {self.web_pubsub} '
            '--query primaryConnectionString --output tsv)"'
        )
        return self.change_setting("WebPubSubConnectionString", value)

    def set_state_key(self) -> str:
        """Give the app a secret for the seal of connection states."""
        value = '"@Microsoft.KeyVault(SecretUri=SECRET-URI)"'
        return self.change_setting("USHER_STATE_KEY", value)

    def correct_service_address(self) -> str:
        """Start the service, or tell the app where it is."""
        if self.target.is_local:
            return (
                "Start it (`python3 dev.py up` or `python3 dev.py emulator`), or correct "
                "WebPubSubConnectionString."
            )
        uri = f"https://{self.web_pubsub}.webpubsub.azure.com"
        return self.change_setting("WebPubSubConnectionString__serviceUri", uri)

    def let_app_reach_service(self) -> str:
        """Remove what blocks the app from a service that runs."""
        return (
            "Allow the app in the network rules of the Web PubSub resource (publicNetwork.allow "
            "RESTAPI), and check that the app has the identity that "
            "WebPubSubConnectionString__clientId names."
        )

    def change_setting(self, name: str, value: str) -> str:
        """Change an app setting. In Azure this restarts the app."""
        if self.target.is_local:
            return f"Set {name} to {value} in local.settings.json, and restart the app."
        return (
            f"az functionapp config appsettings set --resource-group {self.group} "
            f"--name {self.app_name} --settings {name}={value}"
        )

    def correct_settings(self, names: list[str]) -> str:
        """Correct these app settings. In Azure this restarts the app."""
        if self.target.is_local:
            return f"Correct {self._locate(names)}, and restart the app."
        return self.change_setting(
            names[0], " ".join(["VALUE", *(f"{n}=VALUE" for n in names[1:])])
        )

    def _locate(self, names: list[str]) -> str:
        ours = [name for name in names if name not in self.environment]
        theirs = [name for name in names if name in self.environment]
        places = (("local.settings.json", ours), ("the environment", theirs))
        return " and ".join(f"{' and '.join(some)} in {place}" for place, some in places if some)

    def allow_cors_origins(self, origins: list[str]) -> str:
        """Allow pages of these origins to call the app."""
        if self.target.is_local:
            named = ",".join(origins)
            return f"Add {named} to `Host.CORS` in local.settings.json, and restart the app."
        return (
            f"az functionapp cors add --resource-group {self.group} --name {self.app_name} "
            f"--allowed-origins {' '.join(origins)}"
        )

    def remove_cors_wildcard(self) -> str:
        """Allow only the named origins to call the app."""
        if self.target.is_local:
            return "Replace `*` in `Host.CORS` of local.settings.json by your pages' origins."
        return (
            f"az functionapp cors remove --resource-group {self.group} --name {self.app_name} "
            "--allowed-origins '*'"
        )

    def allow_socket_origins(self, origins: list[str]) -> str:
        """Allow pages of these origins to open connections."""
        return self.change_setting("USHER_ALLOWED_ORIGINS", f"CURRENT-VALUE,{','.join(origins)}")

    def let_clients_reach_service(self) -> str:
        """Remove what blocks clients from a service that runs."""
        return (
            "Run the doctor in the network of the clients, or allow this network in the network "
            "rules of the Web PubSub resource (publicNetwork.allow ClientConnection)."
        )

    def choose_group(self) -> str:
        """Use a group that the policy allows."""
        return (
            "Name an allowed group with --group; `python3 dev.py policy explain` shows what the "
            "policy decides."
        )

    def correct_issuer(self, issuer: str) -> str:
        """Name an identity provider that runs."""
        return (
            f"Correct USHER_OIDC_ISSUER, or start the identity provider. Test: curl {issuer}"
            "/.well-known/openid-configuration"
        )

    def let_app_reach_provider(self, issuer: str) -> str:
        """Let the app get the keys of a provider that answers others."""
        return (
            f"Let the app reach {issuer} (its network rules and proxy): its log names the failed "
            "request."
        )

    def require_key(self) -> str:
        """Let the Functions host check the key, as it does by default."""
        return (
            "Remove the proxy or gateway in front of the app that answers itself or adds the key, "
            "or exclude the webhook from it."
        )

    def exclude_webhook(self) -> str:
        """Exclude the webhook from App Service Authentication; the host still requires its key."""
        return "Add /runtime/webhooks/webpubsub to `excludedPaths` in the authentication settings."

    def start_host(self) -> str:
        """Find out why the Functions host does not start. Then the app has no log."""
        if self.target.is_local:
            return "Read what the Functions host printed at its start: an error there says why."
        return (
            "Check these settings (in the portal: Environment variables). If they are right, the "
            "portal's `Diagnose and solve problems` shows why the host does not start."
        )

    def load_functions(self) -> str:
        """Let the functions for the events run."""
        if self.target.is_local:
            return (
                "Read what the Functions host prints at its start: the functions that run, and why "
                "others do not."
            )
        return (
            "Restart the app, and check that connect, connected and disconnected are listed and "
            f"not disabled: az functionapp function list --resource-group {self.group} --name "
            f"{self.app_name}. The setting WebPubSubHub must name the hub."
        )

    def read_log(self) -> str:
        """Read the log, which names causes that callers must not see."""
        if self.target.is_local:
            return "Read what the Functions host printed: a log record there names the cause."
        return (
            "Read the app's log in Application Insights: "
            'traces | where message has "record" | order by timestamp desc'
        )

    def deploy(self) -> str:
        """Run Usher at the address."""
        if self.target.is_local:
            return "Stop the program at this address, and start `python3 dev.py up`."
        return (
            f"Deploy again (`azd deploy` or `func azure functionapp publish {self.app_name}`), and "
            "check that the portal lists the app's functions."
        )
