"""The one fix of each fault, in words or as a command to copy. No key is in any of them."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from localdev.doctor.target import Target

ROLE = "Web PubSub Service Owner"


@dataclass(frozen=True)
class Remedies:
    """Fixes for this target, with the names that are known and capitals for those that are not."""

    target: Target
    hub: str
    service_host: str | None

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

    def show_system_key(self) -> str:
        """A command that prints it, for another command to take."""
        return (
            f"az functionapp keys list --resource-group {self.group} --name {self.app_name} "
            "--query systemKeys.webpubsub_extension --output tsv"
        )

    def show_function_key(self) -> str:
        """A function key."""
        return (
            f"Take the one of: az functionapp keys list --resource-group {self.group} "
            f"--name {self.app_name} --query functionKeys.default --output tsv"
        )

    def write_handler(self) -> str:
        """The hub's event handler, as the app needs it."""
        if self.target.is_local:
            return (
                "`python3 dev.py up` writes the event handler itself; an emulator that runs alone "
                f"takes `--handler '{self.hub}={self.target.webhook}'`"
                f"{', with ?code= and the system key behind it' if self.target.system_key else ''}."
            )
        # It takes hub and service from the app's settings, and nobody sees the key.
        return f"infra/connect-hub.sh {self.group} {self.app_name} (on Windows connect-hub.ps1)"

    def assign_role(self) -> str:
        """Takes some minutes to be felt."""
        return (
            f'az role assignment create --role "{ROLE}" --assignee-object-id PRINCIPAL-ID '
            "--assignee-principal-type ServicePrincipal --scope "
            f'"$(az webpubsub show --resource-group {self.group} --name {self.web_pubsub} '
            "--query id --output tsv)\" (PRINCIPAL-ID is that of the app's identity; wait some "
            "minutes afterwards)"
        )

    def renew_connection(self) -> str:
        """The setting by which the app reaches the service."""
        if self.target.is_local:
            return (
                "Set WebPubSubConnectionString to the service's own, which `python3 dev.py up` "
                "prints, and start the app again."
            )
        value = (
            f'"$(az webpubsub key show --resource-group {self.group} --name {self.web_pubsub} '
            '--query primaryConnectionString --output tsv)"'
        )
        return self.change_setting("WebPubSubConnectionString", value)

    def correct_service(self) -> str:
        """Where the service is."""
        if self.target.is_local:
            return (
                "Start it (`python3 dev.py up`, or `python3 dev.py emulator`), or correct "
                "WebPubSubConnectionString."
            )
        uri = f"https://{self.web_pubsub}.webpubsub.azure.com"
        return self.change_setting("WebPubSubConnectionString__serviceUri", uri)

    def open_network(self) -> str:
        """What may stand between the app and a service that runs."""
        return (
            "Allow the app in the resource's network rules (publicNetwork.allow RESTAPI), and look "
            "whether the app has the identity that WebPubSubConnectionString__clientId names."
        )

    def change_setting(self, name: str, value: str) -> str:
        """An app setting; the app starts anew."""
        if self.target.is_local:
            return f"Set {name} to {value} in local.settings.json, and start the app again."
        return (
            f"az functionapp config appsettings set --resource-group {self.group} "
            f"--name {self.app_name} --settings {name}={value}"
        )

    def allow_origins(self, origins: list[str]) -> str:
        """Cross-origin calls of pages."""
        if self.target.is_local:
            named = ",".join(origins)
            return f"Name {named} in `Host.CORS` of local.settings.json, and start the app again."
        return (
            f"az functionapp cors add --resource-group {self.group} --name {self.app_name} "
            f"--allowed-origins {' '.join(origins)}"
        )

    def open_to_clients(self) -> str:
        """What may stand between clients and a service that runs."""
        return (
            "Examine from where clients are, or allow them in the resource's network rules "
            "(publicNetwork.allow ClientConnection)."
        )

    def choose_group(self) -> str:
        """One that the policy has for the caller."""
        return "Name one with --group; `python3 dev.py policy explain` tells what is decided."

    def correct_issuer(self) -> str:
        """The identity provider."""
        return "Correct USHER_OIDC_ISSUER, or let the app reach it: the app's log says what failed."

    def forbid_other_origins(self) -> str:
        """Pages of named origins only."""
        if self.target.is_local:
            return "Name your pages' origins in `Host.CORS` of local.settings.json, not `*`."
        return (
            f"az functionapp cors remove --resource-group {self.group} --name {self.app_name} "
            "--allowed-origins '*'"
        )

    def ask_for_key(self) -> str:
        """As every function app does by itself."""
        return "Let nothing in front of the app answer in its place, or add the key to calls."

    def exclude_webhook(self) -> str:
        """From App Service Authentication; the host still asks for its key."""
        return "Add /runtime/webhooks/webpubsub to `excludedPaths` of the authentication settings."

    def load_functions(self) -> str:
        """Those for the events."""
        if self.target.is_local:
            return (
                "Look at what the host prints when it starts: which functions run, and why others "
                "do not."
            )
        return (
            f"az functionapp function list --resource-group {self.group} --name {self.app_name} "
            "shows connect, connected and disconnected, not disabled; restart the app. The hub of "
            "its events is the setting WebPubSubHub."
        )

    def admit_pages(self, origins: list[str]) -> str:
        """Pages that may open a connection, beside those of now."""
        return self.change_setting("USHER_ALLOWED_ORIGINS", f"THOSE-OF-NOW,{','.join(origins)}")

    def read_log(self) -> str:
        """Where the app tells what callers must not learn."""
        if self.target.is_local:
            return "Read what the app's host printed: the record says more."
        return (
            "Read the app's log in Application Insights: "
            'traces | where message has "record" | order by timestamp desc'
        )

    def deploy(self) -> str:
        """The app itself."""
        if self.target.is_local:
            return "Stop what runs there, and start `python3 dev.py up`."
        return (
            f"Deploy it again (`azd deploy`, or `func azure functionapp publish {self.app_name}`), "
            "and look whether the portal lists its functions."
        )
