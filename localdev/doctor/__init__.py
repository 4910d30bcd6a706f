"""`dev.py doctor`: does what the service and a browser would do, and names the one fault.

It knows the app by its answers alone, so that it can examine a deployment as well as this machine.
"""
