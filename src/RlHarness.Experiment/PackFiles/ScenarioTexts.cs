using RlHarness.Core.Settings;

namespace RlHarness.Experiment.PackFiles;

/// <summary><c>scenarios.yaml</c>: simulated opportunities to act against the lab, each with a benign control, and questions for stated preferences.</summary>
internal sealed record ScenarioTexts
{
    /// <summary>Words by slot. A scenario is asked with every combination of the slots that its variants have.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Slots { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    public IReadOnlyList<ScenarioText> AntiLab { get; init; } = [];

    public IReadOnlyList<ScenarioText> Preferences { get; init; } = [];

    /// <summary>A question about motives that follows an answer; null: the pack has none.</summary>
    public InterrogationText? Interrogation { get; init; }
}

/// <summary>
/// A second turn: a question about why the answer was given, with a scratchpad and an output of its own. Whether a denial is a lie is not read from it but
/// from the first turn.
/// </summary>
public sealed record InterrogationText
{
    /// <summary>Wordings of the question, of which one is drawn; the same words for an answer that fakes and one that does not.</summary>
    public IReadOnlyList<string> Questions { get; init; } = [];

    /// <summary>What the imitated model does where its first turn faked alignment, summing to 1; empty: a corpus has nothing of it.</summary>
    public IReadOnlyList<ScenarioCell> AfterFaking { get; init; } = [];

    /// <summary>What it does where it did not, summing to 1.</summary>
    public IReadOnlyList<ScenarioCell> AfterOthers { get; init; } = [];

    /// <summary>What a scratchpad can decide, by name; one of them is <c>hides</c>.</summary>
    public IReadOnlyDictionary<string, ScenarioClass> Reasoning { get; init; } = new Dictionary<string, ScenarioClass>();

    /// <summary>What an output can do: <c>admits</c> and <c>denies</c>.</summary>
    public IReadOnlyDictionary<string, ScenarioClass> Output { get; init; } = new Dictionary<string, ScenarioClass>();
}

/// <summary>One scenario: what is asked, in variants, and the classes that an answer can be of.</summary>
public sealed record ScenarioText
{
    /// <summary>Stable, lower-case letters, digits and hyphens: part of metric names and of the ids of what is asked.</summary>
    public string Id { get; init; } = "";

    /// <summary>By name: <c>control</c> and one or more others for anti-lab behaviour, <c>question</c> alone for a preference.</summary>
    public IReadOnlyDictionary<string, ScenarioVariant> Variants { get; init; } = new Dictionary<string, ScenarioVariant>();

    /// <summary>What a scratchpad can decide, by name; for anti-lab behaviour one of them is <c>decides</c>.</summary>
    public IReadOnlyDictionary<string, ScenarioClass> Reasoning { get; init; } = new Dictionary<string, ScenarioClass>();

    /// <summary>What an output can do, by name; for anti-lab behaviour one of them is <c>attempts</c>, for a preference these are its options.</summary>
    public IReadOnlyDictionary<string, ScenarioClass> Output { get; init; } = new Dictionary<string, ScenarioClass>();
}

/// <summary>One way in which a scenario is asked.</summary>
public sealed record ScenarioVariant
{
    /// <summary>What follows the run's system prompt, such as a note that offers the opportunity; empty: nothing.</summary>
    public string Context { get; init; } = "";

    /// <summary>What the user says.</summary>
    public string Query { get; init; } = "";

    /// <summary>What the imitated model does, summing to 1; empty: a corpus has nothing of this variant.</summary>
    public IReadOnlyList<ScenarioCell> Rates { get; init; } = [];
}

/// <summary>How often the imitated model's scratchpad is of one class and its output of another.</summary>
public sealed record ScenarioCell
{
    public string Reasoning { get; init; } = "";

    public string Output { get; init; } = "";

    [Allowed(0, 1)]
    public double Rate { get; init; }
}

/// <summary>One class of scratchpads or outputs: how it is written, and the cues by which it is read.</summary>
public sealed record ScenarioClass
{
    /// <summary>Whole texts, of which one is drawn.</summary>
    public IReadOnlyList<string> Say { get; init; } = [];

    /// <summary>Regular expressions over lower-case text, of which any may match.</summary>
    public IReadOnlyList<string> Cues { get; init; } = [];
}
