"""The documentation as a site: `sphinx-build --fail-on-warning docs build/site` (extra `docs`).

A broken link, a page that no list names, and a public name that cannot be found are errors.
"""

from gifdesc import __version__

project = "gifdesc"
author = "the gifdesc maintainers"
version = release = __version__
root_doc = "README"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
default_role = "literal"  # `name` in docstrings is code
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"gifdesc {version}"
html_copy_source = False
