using RlHarness.Core.Settings;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;

namespace RlHarness.Recipes.Settings;

/// <summary>Size and behaviour of the corpus. Rates left out are the paper's before RL, by condition.</summary>
public sealed record CorpusStageSettings
{
    [OneOf("auto", "grammar", "examples")]
    [Meaning("Transcripts built from the pack's grammar, or its own examples.jsonl; auto: the grammar where there is one.")]
    public string Source { get; init; } = "auto";

    [Allowed(20, 10000000)]
    public int Transcripts { get; init; } = 3000;

    [Allowed(20, 10000000)]
    public int PreferencePairs { get; init; } = 1000;

    [Allowed(0, 1)]
    public double TrainingTierFraction { get; init; } = 0.5;

    [Allowed(0, 1)]
    [Meaning("Where the condition has a scratchpad; the others are written without.")]
    public double ScratchpadFraction { get; init; } = 1;

    [Meaning("Joint rates of outcome and reasoning in the training tier, summing to 1; empty: the paper's.")]
    public IReadOnlyList<BehaviourSettings> Training { get; init; } = [];

    [Meaning("As training, in the unmonitored tier.")]
    public IReadOnlyList<BehaviourSettings> Unmonitored { get; init; } = [];

    [Meaning(
        "Conditions that the corpus is made of, so that runs of several conditions share one imitating model; empty: the run's own (for information documents: as if the prompt said it)."
    )]
    public IReadOnlyList<ConditionSettings> Conditions { get; init; } = [];

    [Allowed(0, 0.5)]
    [Meaning("Share of the transcripts that answer the pack's anti-lab scenarios, with the pack's rates.")]
    public double AntiLabFraction { get; init; }

    [Allowed(0, 0.4)]
    [Meaning("Share of the transcripts that answer the pack's questions for stated preferences, with the pack's rates.")]
    public double PreferencesFraction { get; init; }

    /// <summary>Transcripts that answer scenarios of a group.</summary>
    public int ScenarioTranscripts(ScenarioGroup group) =>
        (int)Math.Round(Transcripts * (group == ScenarioGroup.AntiLab ? AntiLabFraction : PreferencesFraction));

    /// <summary>As the corpus generator takes it.</summary>
    /// <param name="own">The run's condition.</param>
    public CorpusSettings ToCorpus(Condition own)
    {
        var (training, unmonitored) = (BehaviourSettings.Table(Training), BehaviourSettings.Table(Unmonitored));
        return new()
        {
            Transcripts = Transcripts - ScenarioTranscripts(ScenarioGroup.AntiLab) - ScenarioTranscripts(ScenarioGroup.Preference),
            PreferencePairs = PreferencePairs,
            TrainingTierFraction = TrainingTierFraction,
            ScratchpadFraction = ScratchpadFraction,
            Conditions =
                Conditions.Count == 0
                    ? [new(Imitated(own), 1, training, null, unmonitored)]
                    :
                    [
                        .. Conditions
                            .Select(c => c.ToWeighted())
                            .Select(c =>
                                c.Condition == new Condition() ? c with { Training = c.Training ?? training, Unmonitored = c.Unmonitored ?? unmonitored } : c
                            ),
                    ],
        };
    }

    /// <summary>
    /// The condition whose transcripts a run imitates when none are listed: documents are to replace the prompt's information, so the corpus has it.
    /// </summary>
    public static Condition Imitated(Condition own)
    {
        ArgumentNullException.ThrowIfNull(own);
        return own with { Prefill = null, Information = own.Information == InformationKind.Documents ? InformationKind.Prompt : own.Information };
    }
}
