"""`dev.py doctor`: check a running app as Web PubSub and a browser use it, and name the fix.

It knows the app only by its answers: HTTP statuses, headers and problem types. It can therefore
examine a deployment as well as an app on this machine.
"""
