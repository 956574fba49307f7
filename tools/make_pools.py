"""Write the pools that the `fake` technique draws from: `make_pools.py DIRECTORY`.

Pools are pinned: an existing version is never written again, because every pseudonym depends on its lines and their
order. A better pool is a new version. The sizes of pools that composed names use are powers of two, so that a draw is
a whole number of keyed bits.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import random
import re
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from faker.providers.address.en_US import Provider as AmericanAddress
from faker.providers.company.en_US import Provider as AmericanCompany

LOCALES = (
    *(
        "cs_CZ",
        "da_DK",
        "de_AT",
        "de_CH",
        "de_DE",
        "en_GB",
        "en_IE",
        "en_US",
        "es_ES",
        "es_MX",
        "fi_FI",
        "fr_CH",
        "fr_FR",
    ),
    *("hr_HR", "hu_HU", "it_IT", "nl_BE", "nl_NL", "no_NO", "pl_PL", "pt_BR", "pt_PT", "sk_SK", "sl_SI", "sv_SE"),
)
FIRST_NAMES, LAST_NAMES, STREETS, CITIES = 4096, 8192, 4096, 4096
LONGEST = 24
SLUG = re.compile(r"[a-z]{3,8}")
WORD = re.compile(r"[^\W\d_]+(?:[ '-][^\W\d_]+)*")


def main(directory: Path) -> None:
    """Draw every pool and write it."""
    directory.mkdir(parents=True)
    draw = random.Random("elute pools v1")  # noqa: S311 - a shuffle of public words
    firsts = names("person", ("first_names", "first_names_male", "first_names_female"))
    lasts = names("person", ("last_names",))
    last_pool = slugged(lasts, LAST_NAMES, draw)
    suffixes = sorted(AmericanAddress.street_suffixes)
    plain = sorted({name for name, _ in last_pool if WORD.fullmatch(name)})
    streets = sorted(f"{draw.choice(plain)} {draw.choice(suffixes)}" for _ in range(2 * STREETS))
    pools: dict[str, list[str]] = {
        "first_names": ["\t".join(pair) for pair in slugged(firsts, FIRST_NAMES, draw)],
        "last_names": ["\t".join(pair) for pair in last_pool],
        "streets": draw.sample(sorted(set(streets)), STREETS),
        "cities": draw.sample(sorted(names("address", ("cities", "city_names", "towns"))), CITIES),
        "countries": sorted({country for country in AmericanAddress.countries if len(country) <= LONGEST}),
        "company_suffixes": sorted(set(AmericanCompany.company_suffixes) | {"AG", "BV", "GmbH", "Oy", "SA", "SpA"}),
    }
    for name, lines in pools.items():
        (directory / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    licence = importlib.metadata.distribution("faker").read_text("licenses/LICENSE.txt") or ""
    notice = (
        f"The words in these files are drawn from Faker {importlib.metadata.version('faker')}, whose licence is:\n\n"
    )
    (directory / "NOTICE.txt").write_text(notice + licence, encoding="utf-8")


def names(provider: str, attributes: Iterable[str]) -> set[str]:
    """Collect the words of all locales, written in Latin letters."""
    found: set[str] = set()
    for locale in LOCALES:
        try:
            words = importlib.import_module(f"faker.providers.{provider}.{locale}").Provider
        except ModuleNotFoundError:
            continue
        for attribute in attributes:
            values = getattr(words, attribute, ())
            # Some locales compute their words by a property; the plain ones are enough.
            if isinstance(values, (list, tuple, dict)):
                found |= {value for value in values if isinstance(value, str) and WORD.fullmatch(value)}
    return {unicodedata.normalize("NFC", word) for word in found if len(word) <= LONGEST and latin(word)}


def latin(word: str) -> bool:
    """Say whether a word has letters of the Latin blocks only."""
    return all(ord(letter) < 0x250 for letter in word)


def slugged(words: set[str], count: int, draw: random.Random) -> list[tuple[str, str]]:
    """Draw words whose forms for an address are distinct, each with that form."""
    by_slug = {slug(word): word for word in sorted(words)}
    usable = sorted((word, form) for form, word in by_slug.items() if SLUG.fullmatch(form))
    return draw.sample(usable, count)


def slug(word: str) -> str:
    """Write a word in the letters a to z."""
    folded = unicodedata.normalize("NFKD", word.lower().replace("ß", "ss").replace("ø", "o").replace("ł", "l"))
    return "".join(letter for letter in folded if letter.isascii() and letter.isalpha())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
