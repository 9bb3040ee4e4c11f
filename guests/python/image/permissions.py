"""Archives of files that have no permission bits.

WASI knows none, so os.stat reports 0: an archive made from that would unpack
to files nobody may read. What goes into an archive is as umask 022 makes it.
"""

import stat
import tarfile
import zipfile

FILE_BITS = 0o644
FOLDER_BITS = 0o755


def _with_bits(mode, folder):
    return mode if stat.S_IMODE(mode) else mode | (FOLDER_BITS if folder else FILE_BITS)


def install():
    plain_tarinfo = tarfile.TarFile.gettarinfo
    plain_zipinfo = zipfile.ZipInfo.from_file.__func__

    def gettarinfo(self, name=None, arcname=None, fileobj=None):
        info = plain_tarinfo(self, name, arcname, fileobj)
        if info is not None:
            info.mode = _with_bits(info.mode, info.isdir())
        return info

    def from_file(cls, filename, arcname=None, *, strict_timestamps=True):
        info = plain_zipinfo(cls, filename, arcname, strict_timestamps=strict_timestamps)
        mode = info.external_attr >> 16
        info.external_attr = _with_bits(mode, info.is_dir()) << 16 | info.external_attr & 0xFFFF
        return info

    tarfile.TarFile.gettarinfo = gettarinfo
    zipfile.ZipInfo.from_file = classmethod(from_file)
