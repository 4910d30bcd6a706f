"""What Usher sends, compared with api/asyncapi.yaml."""
