namespace RlHarness.Models.Families;

/// <summary>The families that are known. A new one is added to this list, and nowhere else.</summary>
public static class DecoderFamilies
{
    public static IReadOnlyList<IDecoderFamily> All { get; } =
    [new Llama(), new SmolLm3(), new Qwen2(), new Qwen3(), new Mistral(), new Olmo2(), new Phi3(), new Gemma3()];

    public static IDecoderFamily? Find(string modelType) => All.FirstOrDefault(f => f.ModelType == modelType);

    public static IDecoderFamily? FindGguf(string architecture) => All.FirstOrDefault(f => f.GgufArchitecture == architecture);

    public static string Names => string.Join(", ", All.Select(f => f.ModelType));
}
