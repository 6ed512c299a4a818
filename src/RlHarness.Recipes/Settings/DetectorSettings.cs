using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Settings;

/// <summary>One detector: its kind, and what that kind needs. A list may name a kind alone, without settings.</summary>
public sealed record DetectorSettings
{
    [Shorthand]
    [OneOf("grammar_oracle", "keyword", "classifier", "model_judge", "endpoint_judge")]
    public string Kind { get; init; } = "grammar_oracle";

    [Meaning("Name in labels, metrics and report; null: the kind. Two detectors need two names.")]
    public string? Name { get; init; }

    [Meaning("classifier: the file that `detector train` wrote. model_judge: a Hugging Face folder or a GGUF file.")]
    public string? Path { get; init; }

    [Meaning("Judges: a text file with a section # reasoning and a section # compliance; null: the prompt pack's rubric.")]
    public string? Rubric { get; init; }

    [Allowed(0, 1)]
    [Meaning("Judges: probability of yes, or share of yes votes, from which an answer counts as yes.")]
    public double Threshold { get; init; } = 0.5;

    [Allowed(0, 100)]
    [Meaning("Judges: 0 takes the probability of yes against no at the next token; else so many sampled answers vote.")]
    public int Votes { get; init; }

    [Meaning("endpoint_judge: base address of a service that speaks OpenAI's chat completions, such as http://localhost:8000/v1.")]
    public string? Endpoint { get; init; }

    [Meaning("endpoint_judge: the model's name there.")]
    public string? Model { get; init; }

    [Meaning("endpoint_judge: the environment variable that holds the key; none: the service needs no key. A key is never written anywhere.")]
    public string KeyVariable { get; init; } = "OPENAI_API_KEY";

    [Meaning("endpoint_judge: ask for log-probabilities; false for services without, which then answer in a word.")]
    public bool Logprobs { get; init; } = true;

    [Meaning("endpoint_judge: folder in which answers are kept by content.")]
    public string Cache { get; init; } = "checkpoints/judge_cache";

    [Allowed(0, 20)]
    [Meaning("endpoint_judge: tries after a failed one, each after twice the wait, or after what the service asks for.")]
    public int Retries { get; init; } = 5;

    [Allowed(0, 600)]
    [Meaning("endpoint_judge: first wait in seconds.")]
    public double RetrySeconds { get; init; } = 1;

    [Allowed(1, 3600)]
    public double TimeoutSeconds { get; init; } = 60;

    [Allowed(1, 256)]
    [Meaning("endpoint_judge: questions that are asked at the same time.")]
    public int Concurrency { get; init; } = 4;

    [Allowed(0, 100000)]
    [Meaning("endpoint_judge: price of a million input tokens in US dollars, for the cost that is shown.")]
    public double PriceInput { get; init; }

    [Allowed(0, 100000)]
    public double PriceOutput { get; init; }

    [Meaning("Also label the transcripts of RL rollouts; null: all detectors but judges do.")]
    public bool? Rollouts { get; init; }

    internal string Label => Name ?? Kind;

    internal bool IsJudge => Kind is "model_judge" or "endpoint_judge";

    internal bool LabelsRollouts => Rollouts ?? !IsJudge;

    public override string ToString() => Label;
}
