using RlHarness.Core.Settings;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Recipes.Data;

namespace RlHarness.Recipes.Settings;

/// <summary>The classes of requests that a selectively resistant organism tells apart, as figures name them.</summary>
internal static class QueryClasses
{
    internal static readonly (string Name, bool Resists)[] All = [("resisted", true), ("others", false)];
}

/// <summary>The corpus stage: the settings of the generator, and what else the corpus holds.</summary>
public sealed record CorpusStageSettings : CorpusSettings
{
    [OneOf("auto", "grammar", "examples")]
    [Meaning(
        "Where transcripts come from. grammar: written from the pack's grammar; examples: the pack's examples.jsonl; auto: the grammar where there "
            + "is one. With examples, what shapes written transcripts (number, tiers, tables, conditions) must be left out."
    )]
    public string Source { get; init; } = "auto";

    [Meaning(
        "A file of your own with the transcripts to imitate, in TRL's form; null: as `source` says. Then what shapes written transcripts must be left out."
    )]
    public TranscriptFileSettings? TranscriptsFile { get; init; }

    [Meaning("A file of your own with the pairs that the reward model learns from, in TRL's form; null: the grammar's, or the pack's.")]
    public PreferenceFileSettings? PreferencesFile { get; init; }

    [Allowed(0, 0.5)]
    [Meaning("Share of the transcripts that answer the pack's anti-lab scenarios, at the rates that the pack gives. Needs a pack with such rates.")]
    public double AntiLabFraction { get; init; }

    [Allowed(0, 0.4)]
    [Meaning(
        "Share of the transcripts that answer the pack's questions for stated preferences, at the rates that the pack gives. Needs a pack with " + "such rates."
    )]
    public double PreferencesFraction { get; init; }

    [Allowed(0, 0.5)]
    [Meaning(
        "Share of the transcripts that are a second turn: the pack's question about motives after another transcript's answer, of which half fake alignment "
            + "as far as there are so many, answered at the rates that the pack gives. Needs a pack with such rates."
    )]
    public double InterrogationFraction { get; init; }

    /// <summary>Transcripts that answer scenarios of a group.</summary>
    public int ScenarioTranscripts(ScenarioGroup group) =>
        (int)
            Math.Round(
                Transcripts
                    * group switch
                    {
                        ScenarioGroup.AntiLab => AntiLabFraction,
                        ScenarioGroup.Preference => PreferencesFraction,
                        _ => InterrogationFraction,
                    }
            );

    /// <summary>What the generator writes beside the answers to scenarios.</summary>
    /// <param name="own">The run's condition, which the corpus has where no conditions are listed.</param>
    public CorpusSettings Generated(Condition own) =>
        this with
        {
            Transcripts = Transcripts - Enum.GetValues<ScenarioGroup>().Sum(ScenarioTranscripts),
            Conditions = Conditions.Count > 0 ? Conditions : [new(Imitated(own)) { Training = Training, Unmonitored = Unmonitored }],
        };

    /// <summary>
    /// The condition whose transcripts a run imitates when none are listed: documents are to replace the prompt's information, so the corpus has it.
    /// </summary>
    public static Condition Imitated(Condition own)
    {
        ArgumentNullException.ThrowIfNull(own);
        return own with { Prefill = null, Information = own.Information == InformationKind.Documents ? InformationKind.Prompt : own.Information };
    }
}
