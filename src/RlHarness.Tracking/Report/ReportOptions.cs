namespace RlHarness.Tracking.Report;

/// <summary>What a report shows.</summary>
public sealed record ReportOptions
{
    /// <summary>The detector whose labels are drawn; null: <c>grammar_oracle</c> where it ran, else the first by name.</summary>
    public string? Detector { get; init; }

    /// <summary>The condition that is drawn; null: <c>full</c> where it was evaluated, else the first by name.</summary>
    public string? Condition { get; init; }

    /// <summary>How many transcripts to hold for each number before and after RL, 0 or more.</summary>
    public int Transcripts { get; init; } = 20;

    /// <summary>The text of each token of a response; null: tokens are shown by their numbers.</summary>
    public Func<IReadOnlyList<int>, IReadOnlyList<string>>? TokenTexts { get; init; }

    /// <summary>Transcripts for each number at the steps between.</summary>
    internal int Between => (Transcripts + 3) / 4;
}
