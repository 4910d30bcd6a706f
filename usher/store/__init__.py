"""What the app keeps: entries with an end, in Azure Table storage or in SQLite."""
