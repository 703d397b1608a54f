"""Packs what `sam build` built into an archive whose bytes depend on nothing but the files in it.

SAM's own archive keeps the order in which the file system lists the files, the modes that a umask left, and whatever
the zlib at hand makes of them. It uploads an archive of ours as it is.
"""

import sys
from pathlib import Path
from zipfile import ZipFile, ZipInfo

FOLDER = "CodeUri: Rotator\n"
ARCHIVE = "CodeUri: Rotator.zip\n"


def pack(build: Path) -> Path:
    """Pack the function's folder and have the built template name the archive; give its path.

    Raises ValueError if the template does not name the folder as SAM does.
    """
    folder, archive, template = build / "Rotator", build / "Rotator.zip", build / "template.yaml"
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    with ZipFile(archive, "w") as packed:
        for name in sorted(files):
            # The time of a new entry is 1980, and its file is not compressed.
            entry = ZipInfo(name)
            entry.create_system = 3  # Unix, whose modes these are
            entry.external_attr = 0o100644 << 16
            packed.writestr(entry, files[name].read_bytes())
    built = template.read_text()
    if built.count(FOLDER) != 1:
        raise ValueError(f"{template} should say {FOLDER.strip()} once; build anew with sam build")
    template.write_text(built.replace(FOLDER, ARCHIVE))
    return archive


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
