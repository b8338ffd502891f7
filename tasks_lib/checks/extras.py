"""How to install what task code imports: the name for pip and the extra of this project that has it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Package:
    """distribution: its name for pip. extra: of this project, None where none has it."""

    distribution: str
    extra: str | None


def package_of(name: str) -> Package:
    """The package that is imported as `name`; an unknown one is taken to be called that for pip too."""
    return PACKAGES.get(name, Package(name, None))


def _extra(extra: str, **distributions: str) -> dict[str, Package]:
    return {name: Package(distribution, extra) for name, distribution in distributions.items()}


# By the name under which it is imported.
PACKAGES: Mapping[str, Package] = {
    **_extra(
        "tasks",
        nltk="nltk",
        langdetect="langdetect",
        immutabledict="immutabledict",
        jieba="jieba",
        fuzzywuzzy="fuzzywuzzy",
        rouge="rouge",
        pymorphy3="pymorphy3",
        wonderwords="wonderwords",
        statsmodels="statsmodels",
        scipy="scipy",
        sklearn="scikit-learn",
        sympy="sympy",
        math_verify="math-verify",
        antlr4="antlr4-python3-runtime",
    ),
    **_extra(
        "tasks-all",
        bert_score="bert-score",
        emoji="emoji",
        neologdn="neologdn",
        fugashi="fugashi",
        openai="openai",
        spacy="spacy",
        iso639="iso639-lang",
        unitxt="unitxt",
    ),
    **_extra("acpbench", lark="lark", tarski="tarski", pddl="pddl", kstar_planner="kstar-planner"),
    **_extra("hf", torch="torch", transformers="transformers"),
    **_extra("lm-eval", lm_eval="lm-eval", word2number="word2number", regex="regex"),
}
