namespace RlHarness.Models.Conversion;

/// <summary>What was written.</summary>
/// <param name="Target">The folder or file.</param>
/// <param name="Tensors">Their number.</param>
/// <param name="Bytes">Of the weights.</param>
/// <param name="Type">Of the matrices (<c>f32</c>, …); norms and biases in GGUF are F32.</param>
/// <param name="Notes">What the new form does not carry, or carries otherwise; empty when nothing.</param>
public sealed record ConversionResult(string Target, int Tensors, long Bytes, string Type, IReadOnlyList<string> Notes);
