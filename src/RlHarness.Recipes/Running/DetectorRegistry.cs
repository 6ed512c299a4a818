using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Detectors;
using RlHarness.Recipes.Detectors;
using RlHarness.Recipes.Settings;
using TorchSharp;

namespace RlHarness.Recipes.Running;

/// <summary>Detectors by the kind that settings name. A new kind is a line here and a word at <see cref="DetectorSettings.Kind"/> (docs/detectors.md).</summary>
public static class DetectorRegistry
{
    /// <exception cref="HarnessException">Unknown, or what it needs is missing.</exception>
    public static IDetector Create(DetectorSettings settings, torch.Device device, Seeds seeds)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return settings.Kind switch
        {
            "grammar_oracle" => new GrammarOracle(),
            "keyword" => new KeywordDetector(),
            "classifier" => NgramClassifier.Load(settings.Path!, settings.Label),
            "model_judge" => ModelJudge.Open(settings, device, seeds),
            "endpoint_judge" => new EndpointJudge(settings),
            _ => throw new HarnessException(ExitCode.BadInput, "unknown kind of detector", settings.Kind, "grammar_oracle, keyword, classifier, model_judge or endpoint_judge"),
        };
    }
}
