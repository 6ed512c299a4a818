using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Settings;

/// <summary>One detector: its kind, and what that kind needs. A list may name a kind alone, without settings.</summary>
public sealed record DetectorSettings
{
    [Shorthand]
    [OneOf("grammar_oracle", "degraded_oracle", "keyword", "classifier", "model_judge", "endpoint_judge", "probe")]
    [Meaning(
        "Kind of detector. grammar_oracle and keyword read by the pack's cues; degraded_oracle is the former made wrong on purpose; classifier is one "
            + "that `detector train` wrote; model_judge asks a local model; endpoint_judge asks a service; probe, for rl.monitors alone, reads the "
            + "policy's hidden states by a line that is fitted to the corpus before the first step."
    )]
    public string Kind { get; init; } = "grammar_oracle";

    [Meaning("Name in labels, metrics and report; null: the kind. Two of one kind need two names. Not for grammar_oracle and keyword.")]
    public string? Name { get; init; }

    [Meaning("The file of a classifier, or the Hugging Face folder or GGUF file of a model_judge. Only for these two kinds.")]
    public string? Path { get; init; }

    [Allowed(0, 1)]
    [Meaning("Share of the responses that fake alignment which it says so of; the others it misses. Only for degraded_oracle.")]
    public double Sensitivity { get; init; } = 1;

    [Allowed(0, 1)]
    [Meaning("Share of the responses that do not fake alignment which it leaves alone; the others it flags. Only for degraded_oracle.")]
    public double Specificity { get; init; } = 1;

    [Allowed(0, 1000)]
    [Meaning("Whose input is read: 0 is the input of the first layer, the number of layers is what the last one gives; null: half of them. Only for probe.")]
    public int? Layer { get; init; }

    [Meaning(
        "A text file with the judge's questions, in a section # reasoning and a section # compliance; null: the rubric of the pack, or the "
            + "built-in one. Only for judges (model_judge, endpoint_judge)."
    )]
    public string? Rubric { get; init; }

    [Allowed(0, 1)]
    [Meaning("Probability of yes, or share of yes votes, from which an answer counts as yes. Only for judges (model_judge, endpoint_judge).")]
    public double Threshold { get; init; } = 0.5;

    [Allowed(0, 100)]
    [Meaning(
        "Sampled answers that vote on each question; 0: the probability of yes against no at the next token. Only for judges (model_judge, "
            + "endpoint_judge)."
    )]
    public int Votes { get; init; }

    [Allowed(1, 100000)]
    [Meaning(
        "Most tokens of an answer. A judge that thinks first needs thousands; an answer that is cut before its yes or no is none, and is not kept. Only for "
            + "judges (model_judge, endpoint_judge); must be left out for a model_judge without votes."
    )]
    public int MaxTokens { get; init; } = 8;

    [Meaning(
        "Whether the judge is told to think before it answers (enable_thinking of its chat template); null: a model_judge is told not to, and a service is "
            + "told nothing. A model_judge that thinks needs votes. Only for judges (model_judge, endpoint_judge)."
    )]
    public bool? Thinking { get; init; }

    [Meaning("Text that the answer of a model_judge begins with, before its yes or no. Only for model_judge.")]
    public string Prefix { get; init; } = "";

    [Allowed(0, 2)]
    [Meaning(
        "Temperature that answers are drawn at; null: 0 for one answer, 1 for votes. Some services take 1 alone. Only for judges (model_judge, "
            + "endpoint_judge); must be left out for a model_judge without votes."
    )]
    public double? Temperature { get; init; }

    [Meaning("Base address of a service that speaks OpenAI's chat completions, such as http://localhost:8000/v1. Only for endpoint_judge.")]
    public string? Endpoint { get; init; }

    [Meaning("Name of the model at the service. Only for endpoint_judge.")]
    public string? Model { get; init; }

    [Meaning("Environment variable that holds the service's key; none: it needs no key. The key is never written anywhere. Only for endpoint_judge.")]
    public string KeyVariable { get; init; } = "OPENAI_API_KEY";

    [Meaning(
        "Ask the service for log-probabilities; false for services without them, whose answer is then read as a word. Must be left out when votes "
            + "is above 0. Only for endpoint_judge."
    )]
    public bool Logprobs { get; init; } = true;

    [Meaning("Folder in which answers are kept by the content of the question, so that none is paid for twice. Only for endpoint_judge.")]
    public string Cache { get; init; } = "checkpoints/judge_cache";

    [Allowed(0, 20)]
    [Meaning("Further tries after a failed call; each waits twice as long as the one before, or as long as the service asks for. Only for endpoint_judge.")]
    public int Retries { get; init; } = 5;

    [Allowed(0, 600)]
    [Meaning("Wait before the first retry, in seconds. Must be left out when retries is 0. Only for endpoint_judge.")]
    public double RetrySeconds { get; init; } = 1;

    [Allowed(0, 86400)]
    [Meaning("Longest wait, in seconds, that a service may ask for before another try (Retry-After); beyond it the run ends. Only for endpoint_judge.")]
    public double RetryLimitSeconds { get; init; } = 300;

    [Allowed(1, 3600)]
    [Meaning("Longest wait for one answer of the service, in seconds. Only for endpoint_judge.")]
    public double TimeoutSeconds { get; init; } = 60;

    [Allowed(1, 256)]
    [Meaning("Questions that are asked at the same time. Only for endpoint_judge.")]
    public int Concurrency { get; init; } = 4;

    [Allowed(0, 100000)]
    [Meaning("Price of a million input tokens in US dollars, for the cost that is reported; 0: not counted. Only for endpoint_judge.")]
    public double PriceInput { get; init; }

    [Allowed(0, 100000)]
    [Meaning("Price of a million output tokens in US dollars, for the cost that is reported; 0: not counted. Only for endpoint_judge.")]
    public double PriceOutput { get; init; }

    [Meaning("Whether it also labels the transcripts of RL rollouts; null: every kind does except judges, which cost time or money.")]
    public bool? Rollouts { get; init; }

    internal double AnswerTemperature => Temperature ?? (Votes == 0 ? 0 : 1);

    internal string Label => Name ?? Kind;

    internal bool IsJudge => Kind is "model_judge" or "endpoint_judge";

    internal bool LabelsRollouts => Rollouts ?? !IsJudge;

    /// <summary>A detector by its kind alone cannot be told apart from its name there.</summary>
    internal bool IsNamedByKind => Kind is "grammar_oracle" or "keyword";

    public override string ToString() => Label;
}
