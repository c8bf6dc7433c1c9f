"""The select box of Streamlit takes the first match on Enter, and offers to add what was typed last."""

from pathlib import Path

import streamlit

from ui.server.middleware import SELECT_BOX, SELECT_BOX_CHANGES, select_box


def test_the_select_box_of_this_streamlit_is_changed() -> None:
    folder = Path(streamlit.__file__).parent / "static" / "static" / "js"
    (file,) = (file for file in folder.iterdir() if SELECT_BOX.fullmatch(file.name))
    theirs, ours = file.read_text(encoding="utf-8"), select_box(file.name)
    assert ours is not None
    for before, after in SELECT_BOX_CHANGES.items():
        assert theirs.count(before) == 1 and before not in ours and ours.count(after) == 1
    assert select_box("Selectbox.none.js") is None
