"""What happens in a group: events, the workflow, announcements and the roster."""
