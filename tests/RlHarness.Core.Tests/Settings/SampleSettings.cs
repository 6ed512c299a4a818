using RlHarness.Core.Settings;

namespace RlHarness.Core.Tests.Settings;

public enum Colour
{
    DeepBlue,
    Red,
}

/// <summary>Settings with each kind of value.</summary>
public sealed record SampleSettings
{
    [Meaning("Who | what.")]
    public string Name { get; init; } = "sample";

    [Allowed(1, 10)]
    public int Steps { get; init; } = 3;

    [Allowed(0, 1, MinExclusive = true, MaxExclusive = true)]
    public double Rate { get; init; } = 0.5;

    public bool Fast { get; init; }

    public long Big { get; init; } = 5_000_000_000;

    public double? Maybe { get; init; }

    public string? Note { get; init; }

    public Colour Colour { get; init; }

    [OneOf("corpus", "reward")]
    public IReadOnlyList<string> Stages { get; init; } = ["corpus"];

    [OneOf("plain", "fancy")]
    public string Style { get; init; } = "plain";

    public InnerSettings Inner { get; init; } = new();

    public InnerSettings? Optional { get; init; }

    public IReadOnlyList<InnerSettings> Cells { get; init; } = [];
}

public sealed record InnerSettings
{
    [Allowed(0, 100)]
    public double LearningRate { get; init; } = 0.1;

    [Allowed(0, int.MaxValue)]
    public int MaxNewTokens { get; init; } = 7;
}
