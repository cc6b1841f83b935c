"""The jobs' sources, `sourcedir.tar.gz`, as a package resource."""
