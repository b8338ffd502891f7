"""Made-up problems in the format of the MATH and Putnam data, and a scripted model that answers them."""

from backends.requests import Request

_END = " Final Answer: The final answer is ${}$. I hope it is correct."
_RIGHT = {
    "What is the first half?": r"\frac{1}{2}",
    "What is the second half?": r"\frac{1}{2}",
    "What is the square of x plus one?": "x^2+2x+1",
    "What is seven?": "7",
    "What is eight?": "8",
    "What is the root of eight?": r"2\sqrt{2}",
    "What is unknown?": "3",
}
_SAID = {
    "What is the first half?": "0.5",
    "What is the second half?": r"\frac{2}{4}",
    "What is the square of x plus one?": "(x+1)^2",
    "What is seven?": "7",
    "What is eight?": "9",
    "What is the root of eight?": r"\sqrt{8}",
}
ANSWERS = {problem: f"It is $\\boxed{{{said}}}$.{_END.format(said)}" for problem, said in _SAID.items()}
ANSWERS["What is unknown?"] = "I do not know."


def rows() -> list[dict[str, str]]:
    """The documents."""
    return [
        {
            "problem": problem,
            "level": "Level 5",
            "type": "Algebra",
            "year": "2000",
            "id": "A1",
            "solution": f"Thus the answer is $\\boxed{{{answer}}}$.",
        }
        for problem, answer in _RIGHT.items()
    ]


def answer(request: Request) -> str:
    """What the model says to a prompt: to the problem that is last in it."""
    prompt = request.prompt_text
    return max((prompt.rfind(problem), said) for problem, said in ANSWERS.items())[1]
