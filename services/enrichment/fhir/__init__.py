"""Asks an agency that speaks HL7 FHIR R4: a certain match of the patient, then only the resources that are granted."""

from services.enrichment.fhir.agency import FhirAgency
from services.enrichment.fhir.terms import FhirTerms, load_fhir, load_fhir_files

__all__ = ["FhirAgency", "FhirTerms", "load_fhir", "load_fhir_files"]
