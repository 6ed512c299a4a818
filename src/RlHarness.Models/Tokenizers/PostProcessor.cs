namespace RlHarness.Models.Tokenizers;

/// <summary>What is done after encoding: ids around the text, and spans without the spaces of their tokens.</summary>
internal sealed record PostProcessor(IReadOnlyList<int> Before, IReadOnlyList<int> After, IReadOnlyList<bool> Trims)
{
    public static PostProcessor None { get; } = new([], [], []);
}
