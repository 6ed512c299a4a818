using RlHarness.Core.Errors;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Recipes.Running;

/// <summary>Detectors by the name that settings use.</summary>
public static class DetectorRegistry
{
    /// <exception cref="HarnessException">The name is unknown, or the pack has no cues for it.</exception>
    public static IDetector Create(string name, PromptPack pack) => name switch
    {
        "grammar_oracle" => new GrammarOracle(Grammar(name, pack).Cues),
        "keyword" => new KeywordDetector(Grammar(name, pack).Keywords),
        _ => throw new HarnessException(ExitCode.BadInput, "unknown detector", name, "grammar_oracle or keyword"),
    };

    private static GrammarFile Grammar(string name, PromptPack pack)
        => pack.Grammar ?? throw new HarnessException(ExitCode.BadInput, $"detector {name} reads by a pack's cues", $"{pack.Folder} has no {PackReader.GrammarFileName}", "cues and keywords", "write them: docs/packs.md");
}
