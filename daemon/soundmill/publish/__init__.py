"""The room where the catalogue is shown: a Datasette site that only reads, and the plugin that lets it be heard."""
