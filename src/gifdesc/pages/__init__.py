"""Pages and pictures, with their templates."""
