"""A hook of MkDocs: LOG.md, CHANGELOG.md and CONTRIBUTING.md become pages of the site.

They lie at the top of the repository, where people look for them; pages in docs/ link to them as
``../LOG.md``, which is right in a clone and is shortened here for the site.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

TOP = Path(__file__).resolve().parent.parent
PAGES = ("LOG.md", "CHANGELOG.md", "CONTRIBUTING.md")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages to the site."""
    for name in PAGES:
        files.append(File.generated(config, name, abs_src_path=str(TOP / name)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links between docs/ and the top of the repository lead to pages of the site."""
    if page.file.src_uri in PAGES:
        return markdown.replace("](docs/", "](")
    return re.sub(rf"\]\(\.\./({'|'.join(map(re.escape, PAGES))})", r"](\1", markdown)
