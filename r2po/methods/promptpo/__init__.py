"""PromptPO: policies as programs, written anew in rounds from what came of the programs before."""
