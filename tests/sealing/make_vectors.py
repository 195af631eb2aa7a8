"""Writes the committed vectors anew: `python -m tests.sealing.make_vectors`, after a deliberate change of the format.

Everything comes out the same each time but the wrapped keys, which are random by nature; the committed ones must open
for ever. Other implementations (the player) read the same file.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

from handschlag.sealing.keys import RecordingKey
from handschlag.sealing.revoke import sign_revoke
from handschlag.sealing.rewrap import sign_rewrap
from tests.sealing import builder

VECTORS = Path(__file__).parent / "vectors" / "recording.json"


def main() -> None:
    """Write the file."""
    key = RecordingKey(builder.RECORDING_KEY)
    built = builder.build(flac_lengths=(700, 4092, 4093))
    rewrap = sign_rewrap(
        recording_key=key,
        recipients=[builder.OWNER.workshop(2).public],
        box=builder.BOX,
        recording=builder.RECORDING,
        counter=1,
        key=builder.OWNER.signing(),
    )
    revoke = sign_revoke(
        box=builder.BOX,
        recording=builder.RECORDING,
        reason="key-9",
        at=builder.AT,
        clock="synced",
        ledger_seq=5,
        key=builder.BOX_KEY,
    )
    vectors = {
        "owner_secret_hex": builder.OWNER.raw.hex(),
        "workshop": [
            {
                "generation": generation,
                "seed_hex": builder.OWNER.workshop(generation).seed.hex(),
                "kid": builder.OWNER.workshop(generation).kid,
            }
            for generation in (1, 2)
        ],
        "owner_signing": {"seed_hex": builder.OWNER.signing().seed.hex(), "kid": builder.OWNER.signing().kid},
        "recording_key_hex": key.raw.hex(),
        "sub_keys_hex": {"clip": key.clip.hex(), "details": key.details.hex(), "commit": key.commit.hex()},
        "details": built.details,
        "flacs_base64": {str(index): _text(flac) for index, flac in built.flacs.items()},
        "trust": json.loads(built.trust_file),
        "files_base64": {name: _text(data) for name, data in sorted(built.files.items())},
        "ledger": {name: data.decode() for name, data in sorted(built.ledger.items())},
        "rewrap_base64": _text(rewrap),
        "revoke_base64": _text(revoke),
    }
    VECTORS.parent.mkdir(exist_ok=True)
    VECTORS.write_text(json.dumps(vectors, indent=1) + "\n", encoding="utf-8")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


if __name__ == "__main__":
    main()
