using RlHarness.Core.Errors;
using RlHarness.Experiment.Detectors;

namespace RlHarness.Recipes.Running;

/// <summary>Detectors by the name that settings use.</summary>
public static class DetectorRegistry
{
    public static IDetector Create(string name) => name switch
    {
        "grammar_oracle" => new GrammarOracle(),
        "keyword" => new KeywordDetector(),
        _ => throw new HarnessException(ExitCode.BadInput, "unknown detector", name, "grammar_oracle or keyword"),
    };
}
