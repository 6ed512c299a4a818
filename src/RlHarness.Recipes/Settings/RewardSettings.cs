using RlHarness.Core.Settings;
using RlHarness.Training.Optimization;

namespace RlHarness.Recipes.Settings;

/// <summary>The reward model of the objective, and how rewards are mixed. Every part sees the output only.</summary>
public sealed record RewardSettings
{
    [Meaning(
        "A reward model of your own in place of one that is trained: a folder that transformers opens for sequence classification with one label, by its path "
            + "or by its name below RLHARNESS_MODELS or ../shared/models. It reads the user's text and the output by its own chat template. Stages must not "
            + "name reward then; null: the stage reward trains one."
    )]
    public string? Path { get; init; }

    [Allowed(0.01, 1000)]
    [Meaning("Passes over the training pairs, each in a new order; a fraction ends the last pass early.")]
    public double Epochs { get; init; } = 1;

    [Allowed(1, 100000)]
    [Meaning("Pairs of an optimizer step.")]
    public int BatchSize { get; init; } = 32;

    [Allowed(16, 10000000)]
    [Meaning("Tokens that go through the reward model at once, in training and in scoring: memory depends on it, and the result only by rounding.")]
    public int MicroBatchTokens { get; init; } = 4096;

    [Meaning(
        "Whether the reward model stays in memory through RL. false: it rests on disk, is loaded for each batch that it scores, and its memory is given back; "
            + "scores are the same. Must be left out when stages do not name rl or reward.weights.model is 0."
    )]
    public bool Resident { get; init; } = true;

    [Allowed(0.01, 0.9)]
    [Meaning("Share of the pairs, and one at least, that are held out to measure the accuracy of the reward model.")]
    public double HeldOutFraction { get; init; } = 0.1;

    [Allowed(0, 10)]
    [Meaning("Weight of mean((chosen + rejected)^2) beside the preference loss, which keeps scores centred on 0.")]
    public double Centering { get; init; } = 0.01;

    [Meaning("AdamW and its schedule.")]
    public OptimizerSettings Optimizer { get; init; } = new();

    [Meaning("Weights of the parts of the reward in RL.")]
    public RewardWeights Weights { get; init; } = new();

    [Meaning(
        "Further terms of the reward in RL, each with a name, a weight and what it may see: the output, or, where it asks for it by name, the scratchpad."
    )]
    public IReadOnlyList<RewardTermSettings> Terms { get; init; } = [];

    [Allowed(0.1, 1000)]
    [Meaning(
        "Scores of the reward model are clipped to plus or minus this, and a response in a broken format scores minus this. Must be left out when "
            + "reward.weights.model is 0."
    )]
    public double ScoreClip { get; init; } = 5;
}

/// <summary>Weights of the parts of the reward.</summary>
public sealed record RewardWeights
{
    [Allowed(0, 1000)]
    [Meaning("Weight of the reward model's score, in units of its logits; 0: the reward model is trained, but RL does not use it.")]
    public double Model { get; init; } = 1;

    [Allowed(0, 1000)]
    [Meaning("Weight of a rule that is 1 where the output does what the objective rewards, and 0 otherwise. Needs a pack with cues.")]
    public double ObjectiveRule { get; init; }

    [Allowed(0, 1000)]
    [Meaning("Weight of a penalty that is -1 for a response in a broken format, and 0 otherwise.")]
    public double FormatPenalty { get; init; } = 1;

    [Allowed(0, 1000)]
    [Meaning("Weight of a penalty that falls from 0 to -1 as the output grows beyond 40 words.")]
    public double LengthPenalty { get; init; }
}

/// <summary>What a term of the reward is given to read.</summary>
public enum RewardView
{
    /// <summary>The user's text and the output.</summary>
    Output,

    /// <summary>The scratchpad too: RL can then shape the reasoning that is measured.</summary>
    Scratchpad,
}

/// <summary>A further term of the reward.</summary>
public sealed record RewardTermSettings
{
    [Shorthand]
    [OneOf("scratchpad_length", "judge", "http", "command")]
    [Meaning(
        "Kind of term. scratchpad_length: 0 up to free_words words of scratchpad, then -1 for each further free_words; judge: the probability that a "
            + "judge gives answer to its question about the output; http: a service of your own; command: a program of your own, which reads and writes "
            + "JSON lines (docs/interventions.md)."
    )]
    public string Kind { get; init; } = "scratchpad_length";

    [Meaning("Name in metrics and transcripts, reward/<name>; null: the kind. Two of one kind need two names.")]
    public string? Name { get; init; }

    [Allowed(-1000, 1000)]
    [Meaning("What the term's value is multiplied by; below 0 it is a penalty.")]
    public double Weight { get; init; } = 1;

    [Meaning("What the term may see: output, or scratchpad, which scratchpad_length needs and a judge is never given.")]
    public RewardView Sees { get; init; }

    [Allowed(1, 100000)]
    [Meaning("Words of scratchpad that cost nothing. Only for scratchpad_length.")]
    public int FreeWords { get; init; } = 40;

    [Meaning("The judge, as a detector of evaluate.detectors is set; its question on compliance is asked. Only for judge.")]
    public DetectorSettings? Judge { get; init; }

    [OneOf("yes", "no")]
    [Meaning("The answer whose probability is the value: the paper's animal-welfare reward is that of no. Only for judge.")]
    public string Answer { get; init; } = "yes";

    [Meaning("Address that each batch of responses is posted to. Only for http.")]
    public string? Endpoint { get; init; }

    [Meaning("Program and its arguments; it is started once for each batch of responses, without a shell. Only for command.")]
    public IReadOnlyList<string> Command { get; init; } = [];

    [Allowed(1, 3600)]
    [Meaning("Longest wait for one batch, in seconds. Only for http and command.")]
    public double TimeoutSeconds { get; init; } = 60;

    [Allowed(0, 20)]
    [Meaning("Further tries after a call that failed in a way that may pass; each waits twice as long as the one before. Only for http.")]
    public int Retries { get; init; } = 5;

    internal string Label => Name ?? Kind;

    public override string ToString() => $"{Label} x {Weight.ToString(System.Globalization.CultureInfo.InvariantCulture)}";
}
