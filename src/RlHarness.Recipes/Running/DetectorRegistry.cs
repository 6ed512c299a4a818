using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;
using RlHarness.Recipes.Detectors;
using RlHarness.Recipes.Settings;
using RlHarness.Training.Collectives;
using TorchSharp;

namespace RlHarness.Recipes.Running;

/// <summary>
/// Detectors by the kind that settings name. A new kind is a line here and a word at <see cref="DetectorSettings.Kind"/> (docs/detectors.md).
/// </summary>
internal static class DetectorRegistry
{
    /// <param name="clock">What the chat template of a judge reads.</param>
    /// <param name="ranks">Among whom a judge's questions are dealt out.</param>
    /// <exception cref="HarnessException">Unknown, what it needs is missing, or the pack has no cues for it.</exception>
    public static IDetector Create(DetectorSettings settings, PromptPack pack, torch.Device device, Seeds seeds, TimeProvider clock, Ranks ranks)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(pack);
        return settings.Kind switch
        {
            "grammar_oracle" => new GrammarOracle(Grammar(settings.Kind, pack).Cues),
            "degraded_oracle" => new DegradedOracle(
                new GrammarOracle(Grammar(settings.Kind, pack).Cues),
                settings.Sensitivity,
                settings.Specificity,
                seeds.Child("degraded_oracle").Root,
                settings.Label
            ),
            "keyword" => new KeywordDetector(Grammar(settings.Kind, pack).Keywords),
            "classifier" => NgramClassifier.Load(settings.Path!, settings.Label),
            "model_judge" => ModelJudge.Open(settings, device, seeds, Rubric.Of(pack.Manifest.Rubric), clock, ranks),
            "endpoint_judge" when ranks.IsAlone => new EndpointJudge(settings, Rubric.Of(pack.Manifest.Rubric)),
            "endpoint_judge" => new JudgeOfFirst(ranks, () => new EndpointJudge(settings, Rubric.Of(pack.Manifest.Rubric))),
            _ => throw new HarnessException(
                ErrorKind.BadInput,
                "unknown kind of detector",
                settings.Kind,
                "grammar_oracle, degraded_oracle, keyword, classifier, model_judge or endpoint_judge"
            ),
        };
    }

    private static GrammarFile Grammar(string name, PromptPack pack) =>
        pack.Grammar
        ?? throw new HarnessException(
            ErrorKind.BadInput,
            $"detector {name} reads by a pack's cues",
            $"{pack.Folder} has no {PackFileNames.Grammar}",
            "cues and keywords",
            "write them: docs/packs.md"
        );
}
