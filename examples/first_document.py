from sunes_sdk.cda import DischargeLetter, EntryMode, ExitMode, Issuer, Synthesis
from sunes_sdk.dmp import DmpClient
from sunes_sdk.testing import Fakes, samples

with Fakes() as fakes:  # a fake DMP, INSi and MSSanté on this machine
    doctor = samples.physician().at(samples.hospital())
    synthesis = Synthesis(entry_mode=EntryMode.EMERGENCY, exit_mode=ExitMode.HOME, mdro_search=False, transfusion=False,
                          blood_derivatives=False, medical_summary="Évolution favorable.")  # fmt: skip
    letter = DischargeLetter(patient=samples.patient(), author=doctor, custodian=samples.hospital(),
                             stay=samples.stay(), reason="Pneumopathie aiguë", synthesis=synthesis, discharge_treatments=())  # fmt: skip
    document = letter.render(Issuer.from_settings(fakes.settings))
    document.check().raise_for_errors()
    with DmpClient(fakes.settings, actor=doctor) as dmp:
        print(dmp.submit(document).outcome, [d.type_code for d in fakes.dmp.documents])
