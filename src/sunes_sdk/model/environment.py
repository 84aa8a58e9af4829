"""Where documents go, and the people who exist only in published tests."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Environment(StrEnum):
    """Where documents go. `FAKE` and `INTEGRATION` take test identities (and the test people with production OIDs
    that the settings allow); `PRODUCTION` takes real ones only."""

    FAKE = "FAKE"
    INTEGRATION = "INTEGRATION"
    PRODUCTION = "PRODUCTION"


PUBLISHED_TEST_PEOPLE: Final = frozenset(
    {
        # PAT-TROIS, NESSI and PATB-QUATRE: CDA and HL7 v2 examples of the ANS, DMP samples.
        "279035121518989", "277076322082910", "207058575627097", "274075176079430",
        # INSi answers published for the CNDA tests: NESSI, ADRUN, TCHITCHI, ECETINSI, PROVISOIRE, ADRTROIS, CORSE,
        # HERMANN, ADRDEUX, and their former numbers.
        "110086322083060", "275126322074974", "236066322083656", "109076322083489", "209076322083439",
        "209066322012355", "109076322088835", "297022A02077878", "160012B02077713", "180032B02040123",
        "181036322045660", "281036322045610", "181016322075140",
        # Example of DRIMbox.
        "248039263001064",
        # Examples whose key is wrong: DE VINCI (HL7 v2), DECOURCY (CSE, OBP, SDM-MR), FHIR placeholders.
        "276037510669380", "221042545611404", "223042545611404", "222127505611201", "224027511583555",
        "123456789012345", "123456789012244",
    }
)  # fmt: skip
"""Matricules of test people published by the ANS, the GIE SESAM-Vitale and their partners, often under real OIDs.

Only numbers that no living person can bear: a wrong key, a place that does not exist, or an order number that a village
never reaches in a month."""
